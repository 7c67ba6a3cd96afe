// A proxy that puts Orion below a path of its own, and whose connections can be broken.

import http from 'node:http';

export async function between(base, path) {
  const to = new URL(base);
  const connections = new Set();
  let server;
  let port = 0;
  const handle = (request, response) => {
    if (!request.url.startsWith(`${path}/`)) {
      response.writeHead(404).end();
      return;
    }
    const asked = { host: to.hostname, port: to.port, method: request.method, path: request.url.slice(path.length), headers: { ...request.headers, host: to.host } };
    const passed = http.request(asked, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    passed.end();
  };
  const open = () => new Promise((listening) => {
    server = http.createServer(handle);
    server.on('connection', (socket) => {
      connections.add(socket);
      socket.on('close', () => connections.delete(socket));
    });
    server.listen(port, '127.0.0.1', () => {
      port = server.address().port;
      listening();
    });
  });
  const close = () => new Promise((closed) => {
    connections.forEach((socket) => socket.destroy());
    server.close(closed);
  });
  await open();
  return { url: `http://127.0.0.1:${port}${path}`, open, close };
}
