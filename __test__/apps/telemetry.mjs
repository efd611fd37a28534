import http, { createServer, get } from 'node:http';
import run from './telemetry-run.cjs';

if (http.get !== get || http.createServer !== createServer) throw new Error('two kinds of http');
run({ createServer, get });
