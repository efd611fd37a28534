'use strict';

// Every output element carries data-state: idle | loading | running | ready | done | error.

const byId = (id) => document.getElementById(id);

function show(element, state, text) {
  element.dataset.state = state;
  if (text !== undefined) element.textContent = text;
}

async function checked(response) {
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}: ${await response.text()}`);
  return response;
}

async function loadStatus() {
  const status = byId('status');
  try {
    const info = await (await checked(await fetch('info'))).json();
    show(status, 'ready', `ready: Express on ${info.engine}, Node ${info.node}`);
  } catch (err) {
    show(status, 'error', `not ready: ${err.message}`);
  }
}

async function startStream() {
  const output = byId('stream-output');
  const progress = byId('stream-progress');
  const button = byId('stream-start');
  button.disabled = true;
  show(output, 'running', '');
  try {
    const response = await checked(await fetch('stream?chunks=20&delay=100'));
    progress.max = Number(response.headers.get('X-Chunks'));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      output.textContent += part.value;
      output.scrollTop = output.scrollHeight;
      progress.value = output.textContent.split('\n').length - 1;
    }
    show(output, 'done');
  } catch (err) {
    show(output, 'error', `stream failed: ${err.message}`);
  } finally {
    button.disabled = false;
  }
}

async function sha256(blob) {
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function randomBlob(size) {
  const parts = [];
  const most = 65536; // getRandomValues gives no more at a time
  for (let left = size; left > 0; left -= most) {
    parts.push(crypto.getRandomValues(new Uint8Array(Math.min(left, most))));
  }
  return new Blob(parts);
}

async function startUpload() {
  const result = byId('upload-result');
  const button = byId('upload-start');
  button.disabled = true;
  show(result, 'running', 'uploading…');
  try {
    const blob = byId('upload-file').files[0] ?? randomBlob(4 * 1024 * 1024);
    const response = await checked(await fetch('upload', { method: 'POST', body: blob }));
    const seen = await response.json();
    // Web Crypto is there only on https, localhost and loopback addresses.
    const own = globalThis.crypto?.subtle ? await sha256(blob) : undefined;
    if (seen.bytes !== blob.size) throw new Error(`sent ${blob.size} bytes, the server saw ${seen.bytes}`);
    if (own && own !== seen.sha256) throw new Error(`the server saw SHA-256 ${seen.sha256}, the browser sent ${own}`);
    result.dataset.bytes = seen.bytes;
    result.dataset.sha256 = seen.sha256;
    show(result, 'done', `${seen.bytes} bytes\nSHA-256 ${seen.sha256}\n${own ? 'the same as in the browser' : ''}`);
  } catch (err) {
    show(result, 'error', `upload failed: ${err.message}`);
  } finally {
    button.disabled = false;
  }
}

function watchEvents() {
  const events = byId('events');
  const source = new EventSource('events');
  const lines = [];
  source.onmessage = (event) => {
    const { id, uptime } = JSON.parse(event.data);
    lines.push(`event ${id}: server up for ${uptime.toFixed(1)} s`);
    events.dataset.count = id;
    show(events, 'running', lines.slice(-5).join('\n'));
  };
  source.onerror = () => show(events, 'error', 'disconnected; the browser is trying again');
}

byId('stream-start').addEventListener('click', startStream);
byId('upload-start').addEventListener('click', startUpload);
loadStatus();
watchEvents();
