// node --import ferrohttp/register app.js
import './lib/register/index.js';
