/* Sends requests to the server's /api routes. */

import { rootPath } from "./gradio.js";
import { preferences } from "./preferences.js";

const ANSWER_MS = 10_000;

let token = "";

/**
 * Set the token, which names the owner on a server for several users. It is "" when the app has one user.
 *
 * @param {unknown} sent
 */
export function signIn(sent) {
  token = typeof sent === "string" ? sent : "";
}

/**
 * The address of one of our own paths, with the path under which the app is mounted.
 *
 * @param {string} path begins with "/"
 */
export const address = (path) => rootPath() + path;

/**
 * Headers of every request: who asks, and in which language if that is not the browser's.
 *
 * @returns {Record<string, string>}
 */
export const credentials = () => ({
  ...(token ? { Authorization: `Bearer ${token}` } : {}),
  ...(preferences.language === "auto" ? {} : { "Accept-Language": preferences.language }),
});

/**
 * @typedef {object} Answer
 * @property {boolean} ok
 * @property {number} status
 * @property {Headers} headers
 * @property {any} data what the route answers; undefined when it refuses
 */

/**
 * @param {string} method
 * @param {string} path begins with "/api/"
 * @param {{headers?: Record<string, string>, body?: unknown}} [request] `body` is sent as JSON
 * @returns {Promise<Answer>}
 */
export async function call(method, path, { headers = {}, body } = {}) {
  const sent = { ...credentials(), ...headers };
  if (body) sent["Content-Type"] = "application/json";
  return read(
    await fetch(address(path), {
      method,
      headers: sent,
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(ANSWER_MS),
    }),
  );
}

/**
 * Read an answer to its end, even if it is empty: the browser lists a request as aborted when nobody reads its
 * answer.
 *
 * @param {Response} answer
 * @returns {Promise<Answer>}
 */
async function read(answer) {
  const text = await answer.text();
  const { ok, status, headers } = answer;
  return { ok, status, headers, data: ok ? JSON.parse(text).data : undefined };
}

/**
 * Send a file. Unlike `fetch`, an XMLHttpRequest tells how much was sent.
 *
 * @param {File} file
 * @param {{expected?: string, progress?: (share: number) => void, signal?: AbortSignal}} [options] `expected` is
 *     "image" or "video"; `progress` gets the share that was sent, 0 to 1; `signal` stops the upload
 * @returns {Promise<Answer>} rejects if the connection was lost or the upload was stopped
 */
export function upload(file, { expected, progress, signal } = {}) {
  const body = new FormData();
  if (expected) body.append("expected", expected);
  body.append("file", file);
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open("POST", address("/api/upload"));
    for (const [name, value] of Object.entries(credentials())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress?.(loaded / total));
    request.addEventListener("load", () => resolve(answerOf(request)));
    for (const name of ["error", "abort"]) request.addEventListener(name, () => reject(new TypeError(name)));
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

/**
 * @param {XMLHttpRequest} request
 * @returns {Answer}
 */
function answerOf(request) {
  const { status } = request;
  const ok = status >= 200 && status < 300;
  const headers = new Headers();
  for (const line of request.getAllResponseHeaders().trim().split(/[\r\n]+/)) {
    const [name, ...value] = line.split(": ");
    if (name) headers.append(name, value.join(": "));
  }
  return { ok, status, headers, data: ok ? JSON.parse(request.responseText).data : undefined };
}
