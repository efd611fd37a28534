// The types that `import` gets are those of node:http: each module stands where the other does, and nothing is missing.

import * as http from 'node:http';
import * as ferrohttp from 'ferrohttp';

export const there: typeof http = ferrohttp;
export const back: Omit<typeof ferrohttp, 'default'> = http;

type Missing = Exclude<keyof typeof http, keyof typeof ferrohttp>;
export const missing: [Missing] extends [never] ? true : Missing = true;

// Types are names of their own: each must be there, and be the same.
export const agent = (ours: ferrohttp.Agent): http.Agent => ours;
export const request = (ours: ferrohttp.IncomingMessage): http.IncomingMessage => ours;
export const response = (ours: ferrohttp.ServerResponse): http.ServerResponse => ours;
export const clientRequest = (theirs: http.ClientRequest): ferrohttp.ClientRequest => theirs;
export const server = (theirs: http.Server): ferrohttp.Server => theirs;
export const options = (theirs: http.RequestOptions): ferrohttp.RequestOptions => theirs;
export const serverOptions = (ours: ferrohttp.ServerOptions): http.ServerOptions => ours;
export const headers = (ours: ferrohttp.IncomingHttpHeaders): http.IncomingHttpHeaders => ours;
export const outgoing = (theirs: http.OutgoingHttpHeaders): ferrohttp.OutgoingHttpHeaders => theirs;
