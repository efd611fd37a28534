// ferrohttp is node:http by contract, so its types are node:http's by declaration: a copy would drift, and two declarations of a
// class with private parts would not be assignable to each other, as code that passes a Server or an Agent on needs them to be.
import http = require('node:http');

// What is ferrohttp's own is declared into them for the same reason; node:http itself takes no notice of it.
declare module 'http' {
  interface ServerOptions<
    Request extends typeof IncomingMessage = typeof IncomingMessage,
    Response extends typeof ServerResponse<InstanceType<Request>> = typeof ServerResponse,
  > {
    /**
     * ferrohttp: reading, parsing and writing of this server's connections is done on so many threads beside JavaScript's, 1 to 128. By default,
     * and with 0, `FERROHTTP_DRIVER` in the environment says who does it.
     */
    ioThreads?: number | undefined;
  }
  interface AgentOptions {
    /** ferrohttp: the same for this agent's connections. */
    ioThreads?: number | undefined;
  }
}

export = http;
