// ferrohttp is node:http by contract, so its types are node:http's by declaration: a copy would drift, and two declarations of a
// class with private parts would not be assignable to each other, as code that passes a Server or an Agent on needs them to be.
import http = require('node:http');
export = http;
