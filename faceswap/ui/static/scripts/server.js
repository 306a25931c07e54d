/* Sends requests to the server's /api routes. */

import { rootPath } from "./gradio.js";

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

/** @returns {Record<string, string>} */
export const credentials = () => (token ? { Authorization: `Bearer ${token}` } : {});

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
 * @param {File} file
 * @returns {Promise<Answer>}
 */
export async function upload(file) {
  const body = new FormData();
  body.append("file", file);
  return read(await fetch(address("/api/upload"), { method: "POST", body, headers: credentials() }));
}
