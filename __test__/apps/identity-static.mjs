import * as namespace from 'node:http';
import bare, { Agent, createServer, ServerResponse } from 'http';

export function same(http) {
  return (
    bare === http &&
    namespace.default === http &&
    Agent === http.Agent &&
    createServer === http.createServer &&
    ServerResponse === http.ServerResponse
  );
}
