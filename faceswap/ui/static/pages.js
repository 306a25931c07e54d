/* What every page does by itself: the language, the docked panel, toasts, confirmations, comparing.
 *
 * The panel's timer calls `faceswap.tick`, which fetches the tasks and returns what the Dataframe and the
 * signature component take: no event reaches the server. Everything that people typed (titles) goes into
 * text nodes, never into markup.
 */
window.faceswap = (() => {
  "use strict";

  const texts = /*TEXTS*/ {};
  const chinese = (navigator.language || "").toLowerCase().startsWith("zh");
  const said = texts[chinese ? "zh" : "en"];
  const unchanged = { __type__: "update" };
  const LIVE = ["pending", "processing"];
  const ATTEMPTS_SHOWN_FROM = 2;
  const DRIFT_S = 0.12;

  let token = "";
  let etag = null;
  let jobs = [];
  let busy = false;
  let wanted = false;
  let connected = !sessionStorage.getItem("faceswap-lost");
  const fresh = new Map();
  let watched = new Set(JSON.parse(sessionStorage.getItem("faceswap-watched") || "[]"));

  /** Fill the `{names}` of a sentence; `{name:.1f}` is a number with so many decimals. */
  const fill = (sentence, values) =>
    sentence.replace(/\{(\w+)(?::\.(\d)f)?\}/g, (whole, name, decimals) => {
      const value = values[name];
      if (value === undefined || value === null) return "…";
      return decimals && Number.isFinite(value) ? value.toFixed(Number(decimals)) : String(value);
    });
  const word = (key, values = {}) => fill(said.words[key], values);

  /** The sentence of an error by its code. `message` is the error's own English one: it serves English pages when
   * the code or one of its details is unknown here. */
  function errorText(code, details = {}, message = "") {
    const sentence = said.errors[code];
    const known = sentence && (sentence.match(/(?<=\{)\w+/g) || []).every((name) => name in details);
    if (message && !chinese && !known) return message;
    const inWords = ([name, value]) => [name, Object.hasOwn(said.values, value) ? said.values[value] : value];
    return fill(sentence || said.errors.internal, Object.fromEntries(Object.entries(details).map(inWords)));
  }
  const find = (id) => document.getElementById(id);
  const live = (job) => LIVE.includes(job.status);

  /** `make("p", {className: "x"}, "text", child…)`: children that are strings become text, never markup. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  // -- language ------------------------------------------------------------------------------------------

  /** Gradio knows zh-CN and zh-TW only, and speaks languages that we do not: bring it to one of our two. */
  async function speakOneLanguage() {
    const wanted = chinese ? "zh-CN" : "en";
    const core = performance.getEntriesByType("resource").find((entry) => /\/core-[^/]*\.js$/.test(entry.name));
    if (core) {
      const { changeLocale } = await import(core.name);
      changeLocale?.(wanted);
    }
    document.documentElement.lang = wanted;
  }

  // -- talking to the server -----------------------------------------------------------------------------

  const prefix = () => new URL(window.gradio_config?.root || "/", location.href).pathname.replace(/\/$/, "");

  function call(method, path, { headers = {}, body } = {}) {
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    return fetch(prefix() + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
  }

  /** Why the server refused, in words. */
  function refusal(answer) {
    const code = answer.headers.get("X-FaceSwap-Error");
    const details = JSON.parse(answer.headers.get("X-FaceSwap-Error-Details") || "{}");
    return said.errors[code] ? errorText(code, details) : word("action_failed");
  }

  /** For Gradio's timer: [table, signature], or "unchanged" for both. One request at most, none when hidden. */
  async function tick(sent) {
    token = sent || "";
    if (busy || document.hidden) {
      wanted ||= busy;
      return [unchanged, unchanged];
    }
    busy = true;
    localise();
    try {
      const answer = await call("GET", "/api/tasks?scope=recent", {
        headers: etag ? { "If-None-Match": etag } : {},
      });
      connection(answer.status === 401 ? "session_lost" : answer.status >= 500 ? "offline" : null);
      if (answer.status === 200) {
        jobs = (await answer.json()).data;
        etag = answer.headers.get("ETag");
        announce();
        inspectAgain();
      }
      if (answer.ok || answer.status === 304) render();
      return answer.status === 200 ? [table(), signature()] : [unchanged, unchanged];
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof DOMException)) console.error(error);
      connection("offline");
      return [unchanged, unchanged];
    } finally {
      busy = false;
      if (wanted) setTimeout(refresh);
      wanted = false;
    }
  }

  /** Changes exactly when a list of tasks must be drawn anew. */
  const signature = () => jobs.map((job) => `${job.id}:${job.status}:${job.remote_stop}`).join(" ");

  const refresh = () => find("fs-refresh")?.click();

  // -- the panel -----------------------------------------------------------------------------------------

  function duration(seconds) {
    const whole = Math.max(1, Math.round(seconds));
    const [m, s] = [Math.floor(whole / 60), whole % 60];
    return m ? word("minutes", { m, s }) : word("seconds", { s });
  }

  function status(job) {
    const words = said.status[job.status];
    if (job.status !== "processing") return words;
    const remarks = [];
    if (job.stage !== "processing" && job.stage !== "queued") remarks.push(said.stages[job.stage]);
    if (job.attempt >= ATTEMPTS_SHOWN_FROM) remarks.push(word("retrying", { attempt: job.attempt }));
    return [words, ...remarks].join(" · ");
  }

  function left(job) {
    if (job.position) return word("place", { position: job.position });
    return job.eta_s === null ? "…" : duration(job.eta_s);
  }

  /** Numbers only: these cells are markup, while titles and words are plain text. */
  const bar = (job) => {
    const done = Math.floor(Number(job.progress));
    return `<span class="fs-bar"><i style="width:${done}%"></i></span><span class="fs-percent">${done}%</span>`;
  };

  function table() {
    return {
      headers: ["column_title", "column_status", "column_progress", "column_eta"].map((key) => word(key)),
      data: jobs.filter(live).map((job) => [job.title, status(job), bar(job), left(job)]),
      metadata: null,
    };
  }

  function render() {
    const active = jobs.filter(live);
    const running = active.filter((job) => job.status === "processing").length;
    find("fs-count").textContent = active.length
      ? word("tasks_count", { running, live: active.length })
      : word("tasks");
    find("fs-pill").dataset.running = String(running > 0);
    find("fs-pill").title = active.length ? word("tasks_hint", { running, live: active.length }) : "";
    find("fs-dock").dataset.active = String(active.length);
    renderCancels(active);
    align();
    renderFinished(jobs.filter((job) => !live(job)));
    for (const job of active) {
      for (const meter of document.querySelectorAll(`progress[data-job="${CSS.escape(job.id)}"]`)) {
        meter.value = job.progress;
      }
    }
  }

  /** Buttons stay the same elements while their task lives, so that focus and clicks survive a refresh. */
  function renderCancels(active) {
    const list = find("fs-cancels");
    const present = new Map([...list.children].map((item) => [item.dataset.job, item]));
    const wanted = active.map((job) => present.get(job.id) || cancelButton(job));
    for (const [id, item] of present) {
      if (!active.some((job) => job.id === id)) {
        const focused = item.contains(document.activeElement);
        item.remove();
        if (focused) (list.querySelector("button") || find("fs-pill")).focus();
      }
    }
    wanted.forEach((item, index) => {
      if (list.children[index] !== item) list.insertBefore(item, list.children[index] || null);
    });
  }

  /** Each button beside its row, whatever the table's own measures are. Moves nothing that is measured here:
   * the dock's observer calls this whenever the dock grows or shrinks. */
  function align() {
    const rows = document.querySelector("#fs-table .virtual-body");
    const column = find("fs-cancels");
    if (!rows?.offsetParent || !column) return;
    const offset = rows.getBoundingClientRect().top - find("fs-active").getBoundingClientRect().top;
    column.style.top = `${offset}px`;
  }

  function cancelButton(job) {
    const label = word("cancel_named", { title: job.title });
    const button = make("button", { type: "button", ariaLabel: label, title: label }, "✕");
    button.dataset.do = "cancel";
    button.dataset.job = job.id;
    const item = make("li", {}, button);
    item.dataset.job = job.id;
    return item;
  }

  function why(job) {
    if (job.status !== "failed") return "";
    return errorText(job.error_code, job.error_details, job.error_message);
  }

  function renderFinished(finished) {
    const list = find("fs-finished");
    find("fs-finished-head").hidden = finished.length === 0;
    const shown = finished.map((job) => `${job.id} ${job.status} ${job.remote_stop} ${job.result_url}`).join("|");
    if (list.dataset.shown === shown) return;
    list.dataset.shown = shown;
    list.replaceChildren(...finished.map(finishedItem));
  }

  function finishedItem(job) {
    const item = make("li", {}, make("span", { className: "fs-title", title: job.title }, job.title));
    item.dataset.job = job.id;
    const state = make("span", { className: "fs-status" }, said.status[job.status]);
    state.dataset.status = job.status;
    item.append(state);
    const remarks = [why(job), said.remoteStop[job.remote_stop]].filter(Boolean).join(" · ");
    if (remarks) item.append(make("span", { className: "fs-why" }, remarks));
    if (job.result_url) {
      const play = make("button", { type: "button" }, word(job.type.endsWith("video") ? "play" : "view"));
      play.dataset.do = "view";
      play.dataset.job = job.id;
      play.ariaLabel = `${play.textContent}: ${job.title}`;
      const save = make("a", { href: prefix() + job.result_url, download: "" }, word("download"));
      save.ariaLabel = `${word("download")}: ${job.title}`;
      item.append(make("span", { className: "fs-acts" }, play, save));
    }
    return item;
  }

  function toggle() {
    const open = find("fs-dock").dataset.open !== "true";
    localStorage.setItem("faceswap-panel", open ? "open" : "closed");
    showPanel(open);
  }

  function showPanel(open) {
    find("fs-dock").dataset.open = String(open);
    find("fs-pill").ariaExpanded = String(open);
    find("fs-pill").ariaLabel = null;
  }

  function connection(problem) {
    const notice = find("fs-notice");
    notice.textContent = problem ? word(problem) : "";
    notice.hidden = !problem;
    find("fs-dock").dataset.offline = String(Boolean(problem));
    if (!problem && !connected) toast(word("online"), "good");
    connected = !problem;
    if (problem) sessionStorage.setItem("faceswap-lost", problem);
    else sessionStorage.removeItem("faceswap-lost");
  }

  /** When an event cannot be sent, Gradio says so in English, stops all timers, and opens the page anew once the
   * server answers. Meanwhile this says it in our words. */
  function tellLoss() {
    for (const text of document.querySelectorAll(".toast-message-text")) {
      if (!text.textContent.includes("Attempting reconnection")) continue;
      text.textContent = word("offline");
      text.closest(".toast-body").querySelector(".toast-title").textContent = word("attention");
      connection("offline");
    }
  }
  new MutationObserver(tellLoss).observe(document.documentElement, { childList: true, subtree: true });

  /** One toast when a task that this tab saw alive has ended, also when it ended while the page was away. */
  function announce() {
    for (const job of jobs.filter((job) => !live(job) && watched.has(job.id))) {
      const key = job.status === "completed" ? "done_toast" : job.error_code === "cancelled" ? "cancelled_toast" : "failed_toast";
      const reason = job.error_code === "cancelled" ? "" : why(job);
      toast([word(key, { title: job.title }), reason].filter(Boolean).join(" "), job.status === "completed" ? "good" : "bad");
      if (job.status === "completed") offer(job);
    }
    for (const [id, answers] of fresh) {
      if (answers === 0 || jobs.some((job) => job.id === id)) fresh.delete(id);
      else fresh.set(id, answers - 1);
    }
    watched = new Set([...jobs.filter(live).map((job) => job.id), ...fresh.keys()]);
    sessionStorage.setItem("faceswap-watched", JSON.stringify([...watched]));
  }

  /** A form of this page has queued tasks, whose ids it shows: one that is over within a second is told, too. */
  function queued() {
    for (const said of document.querySelectorAll("[data-queued]")) {
      for (const id of said.dataset.queued.split(" ")) {
        fresh.set(id, 1); // the next answer may have been on its way before
        watched.add(id);
      }
      said.removeAttribute("data-queued");
    }
    refresh();
  }

  function toast(text, mood) {
    const note = make("div", { className: "fs-toast" }, make("span", {}, text));
    note.dataset.mood = mood;
    const close = make("button", { type: "button", ariaLabel: word("close") }, "✕");
    close.addEventListener("click", () => note.remove());
    note.append(close);
    find("fs-toasts").append(note);
    note.addEventListener("animationend", (event) => event.animationName === "fs-leave" && note.remove());
  }

  // -- confirmations -------------------------------------------------------------------------------------

  /** Asks in a dialog; resolves to whether it was confirmed. Escape and a click beside it say no. */
  function ask({ question, reason, yes, no, mood }) {
    return new Promise((resolve) => {
      const heading = make("h2", { id: "fs-question" }, question);
      const refuse = make("button", { type: "button", value: "no", autofocus: true }, no);
      const confirm = make("button", { type: "button", value: "yes" }, yes);
      confirm.dataset.mood = mood;
      const dialog = make(
        "dialog",
        { className: "fs-ask" },
        heading,
        make("p", { id: "fs-reason" }, reason),
        make("div", { className: "fs-answers" }, refuse, confirm),
      );
      dialog.setAttribute("role", "alertdialog");
      dialog.setAttribute("aria-labelledby", "fs-question");
      dialog.setAttribute("aria-describedby", "fs-reason");
      dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close("no");
        if (event.target instanceof HTMLButtonElement) dialog.close(event.target.value);
      });
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(dialog.returnValue === "yes");
      });
      document.body.append(dialog);
      dialog.showModal();
    });
  }

  const titleOf = (element) =>
    element.dataset.title || jobs.find((job) => job.id === element.dataset.job)?.title || word("unnamed");

  const actions = {
    toggle,
    view: (button) => view(button.dataset.job),
    inspect: (button) => inspector?.(button.dataset.job),

    unmap(button) {
      const item = button.closest("li");
      delete mapped[item.dataset.face];
      keepMapping();
      showMapped(item);
      item.querySelector("input").focus();
    },

    async cancel(button) {
      const title = titleOf(button);
      const reason = word("cancel_why", { title });
      const question = word("cancel_ask");
      if (!(await ask({ question, reason, yes: word("cancel_yes"), no: word("cancel_no"), mood: "bad" }))) return;
      const answer = await call("POST", `/api/cancel/${encodeURIComponent(button.dataset.job)}`);
      if (answer.status === 400) toast(word("cancel_late"), "bad");
      else if (answer.status === 404) toast(errorText("job_not_found"), "bad");
      else if (!answer.ok) toast(word("action_failed"), "bad");
    },

    async delete(button) {
      const question = word("delete_ask", { title: titleOf(button) });
      const choice = { question, reason: word("delete_why"), yes: word("delete_yes"), no: word("dismiss"), mood: "bad" };
      if (!(await ask(choice))) return;
      const answer = await call("DELETE", `/api/jobs/${encodeURIComponent(button.dataset.job)}`);
      toast(answer.ok ? word("deleted") : word("action_failed"), answer.ok ? "good" : "bad");
      find("fs-reload")?.click();
    },

    async revoke(button) {
      const question = word("revoke_ask", { title: titleOf(button) });
      const choice = { question, reason: word("revoke_why"), yes: word("revoke_yes"), no: word("dismiss"), mood: "bad" };
      if (!(await ask(choice))) return;
      const answer = await call("POST", `/api/jobs/${encodeURIComponent(button.dataset.job)}/revoke`);
      const count = answer.ok ? (await answer.json()).data.still_used_by.length : 0;
      const said = answer.ok ? word(count ? "revoked_shared" : "revoked", { count }) : word("action_failed");
      toast(said, answer.ok ? "good" : "bad");
      find("fs-reload")?.click();
    },

    print: () => window.print(),

    /** The address of a receipt needs the token, which a link cannot carry. */
    async receipt(button) {
      const answer = await call("GET", `/api/receipt/${encodeURIComponent(button.dataset.job)}`);
      if (!answer.ok) return toast(word("action_failed"), "bad");
      const text = JSON.stringify((await answer.json()).data, null, 2);
      const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      make("a", { href: url, download: `receipt-${button.dataset.job}.json` }).click();
      URL.revokeObjectURL(url);
    },

    async retry(button) {
      const question = word("retry_ask", { title: titleOf(button) });
      const choice = { question, reason: word("consent"), yes: word("retry_yes"), no: word("dismiss"), mood: "good" };
      if (!(await ask(choice))) return;
      const known = await call("GET", `/api/status/${encodeURIComponent(button.dataset.job)}`);
      if (!known.ok) return toast(word("action_failed"), "bad");
      const job = (await known.json()).data;
      const { source_file, target_file, face_mappings, options } = job;
      const body = { source_file, target_file, face_mappings, options, consent: true };
      const answer = await call("POST", `/api/process/${job.type}`, { body });
      if (answer.ok) toast(word("retried"), "good");
      else toast(answer.status === 429 ? refusal(answer) : word("action_failed"), "bad");
    },
  };

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element && event.target.closest("button[data-do]");
    if (!button || button.disabled) return;
    try {
      await actions[button.dataset.do](button);
    } catch (error) {
      console.error(error);
      toast(word("action_failed"), "bad");
    }
    refresh();
  });

  // -- the chosen task of the diagnostics page -------------------------------------------------------------

  let inspector = null;

  function lendInspector(show) {
    inspector = show;
  }

  /** State changes and log lines go on while the task lives. */
  function inspectAgain() {
    const shown = document.querySelector(".fs-inspected");
    const job = shown && jobs.find((one) => one.id === shown.dataset.job);
    if (inspector && job && shown.dataset.over !== `${job.status} ${job.remote_stop}`) inspector(job.id);
  }

  // -- results -------------------------------------------------------------------------------------------

  let viewer = null;

  /** Show a job's result: here when this page can, else on the page of tasks. */
  function view(id) {
    if (viewer) viewer(id);
    else location.href = `${prefix()}/tasks?job=${encodeURIComponent(id)}`;
  }

  /** The viewer's component calls this with the function that asks the server for a result. */
  function lendViewer(show) {
    viewer = show;
    const asked = new URLSearchParams(location.search).get("job");
    if (asked) show(asked);
  }

  /** A new result takes the viewer unless somebody is watching another one. */
  function offer(job) {
    const playing = [...document.querySelectorAll("#fs-viewer video")].some((video) => !video.paused);
    if (viewer && find("fs-viewer")?.dataset.offers !== "false" && !playing) viewer(job.id);
  }

  /** The original follows the result: play, pause, seek and speed. */
  function follow(event) {
    const lead = event.target;
    if (!(lead instanceof HTMLVideoElement) || !lead.dataset.lead) return;
    const other = lead.closest(".fs-compare")?.querySelector("video[data-follow]");
    if (!other) return;
    if (Math.abs(other.currentTime - lead.currentTime) > DRIFT_S) other.currentTime = lead.currentTime;
    other.playbackRate = lead.playbackRate;
    if (lead.paused) other.pause();
    else if (other.paused && !other.ended) other.play().catch(() => other.pause());
  }
  for (const name of ["play", "pause", "seeked", "ratechange", "timeupdate"]) {
    document.addEventListener(name, follow, true);
  }

  const SHEET_FRAMES = 8;

  /** Small pictures over the length of the result; each seeks the players. Made when first asked for. */
  async function fillSheet(event) {
    const sheet = event.target;
    if (!(sheet instanceof HTMLDetailsElement) || !sheet.open || !sheet.dataset.src) return;
    const lead = sheet.parentElement.querySelector("video[data-lead]");
    const video = make("video", { src: sheet.dataset.src, muted: true, preload: "auto", playsInline: true });
    delete sheet.dataset.src;
    const reached = (name) => new Promise((resolve) => video.addEventListener(name, resolve, { once: true }));
    await reached("loadeddata");
    for (let index = 0; index < SHEET_FRAMES; index++) {
      const time = (video.duration * (index + 0.5)) / SHEET_FRAMES;
      const there = reached("seeked");
      video.currentTime = time;
      await there;
      const width = 240;
      const canvas = make("canvas", { width, height: Math.round((width * video.videoHeight) / video.videoWidth) });
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      const frame = make("button", { type: "button", ariaLabel: word("sheet_frame", { time: time.toFixed(1) }) });
      frame.append(canvas, make("span", {}, `${time.toFixed(1)} s`));
      frame.addEventListener("click", () => {
        lead.currentTime = time;
      });
      sheet.lastElementChild.append(frame);
    }
    video.removeAttribute("src");
    video.load();
  }
  document.addEventListener("toggle", fillSheet, true);

  document.addEventListener("input", (event) => {
    const slider = event.target;
    if (!(slider instanceof HTMLInputElement) || !slider.closest(".fs-slider")) return;
    slider.closest(".fs-slider").style.setProperty("--at", `${slider.value}%`);
  });

  /** What the browser cannot show gets a sentence instead of a black box. */
  document.addEventListener(
    "error",
    (event) => {
      const media = event.target;
      if (!(media instanceof HTMLMediaElement || media instanceof HTMLImageElement)) return;
      if (media.closest(".fs-media")) media.replaceWith(make("p", { className: "fs-no-preview" }, word("no_preview")));
    },
    true,
  );

  // -- choosing files ------------------------------------------------------------------------------------

  /** Refused before a byte is sent: what is empty or larger than the server takes. */
  function judge(files) {
    const limit = Number(find("fs-dock")?.dataset.limit || Infinity);
    for (const file of files) {
      if (file.size === 0) return errorText("empty_file");
      if (file.size > limit * 1e6) return errorText("too_large", { limit_mb: limit });
    }
    return null;
  }

  function guard(event) {
    const slot = event.target instanceof Element && event.target.closest(".fs-slot");
    const files = event.type === "drop" ? event.dataTransfer?.files : event.target.files;
    if (!slot || !files?.length) return;
    const problem = judge(files);
    if (!problem) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    if (event.type === "change") event.target.value = "";
    toast(problem, "bad");
  }
  document.addEventListener("change", guard, true);
  document.addEventListener("drop", guard, true);

  // -- a source for each face ------------------------------------------------------------------------------

  /** {face id: {file, preview}} of the target that is shown; kept for this tab. */
  let mapped = {};

  const peopleOf = () => document.querySelector(".fs-people");

  /** For the start and the preview: JSON, or "" on a page that maps no faces. */
  function mapping() {
    if (!find("fs-mapping")) return "";
    return JSON.stringify(Object.fromEntries(Object.entries(mapped).map(([face, { file }]) => [face, file])));
  }

  function keepMapping() {
    const target = peopleOf()?.dataset.target;
    if (target) sessionStorage.setItem("faceswap-faces", JSON.stringify({ target, mapped }));
  }

  /** Of an example: {target, mapped} as JSON, or "" when there was none to be had. */
  function keepFaces(faces) {
    if (faces) sessionStorage.setItem("faceswap-faces", faces);
  }

  /** After the faces of a target were drawn: what was chosen for that target before. */
  function restoreMapping() {
    const kept = JSON.parse(sessionStorage.getItem("faceswap-faces") || "{}");
    const target = peopleOf()?.dataset.target;
    mapped = target && kept.target === target ? kept.mapped : {};
    for (const item of document.querySelectorAll(".fs-people li")) showMapped(item);
  }

  function showMapped(item) {
    const chosen = mapped[item.dataset.face];
    item.querySelector(".fs-drop-picture").replaceChildren(
      ...(chosen ? [make("img", { src: `data:image/jpeg;base64,${chosen.preview}`, alt: "" })] : []),
    );
    item.dataset.mapped = String(Boolean(chosen));
    item.querySelector(".fs-drop-hint").textContent = word(chosen ? "replace" : "face_drop");
    item.querySelector(".fs-drop-state").textContent = chosen ? chosen.name : word("face_kept");
    item.querySelector("[data-do=unmap]").hidden = !chosen;
  }

  async function mapFace(item, file) {
    const state = item.querySelector(".fs-drop-state");
    const target = peopleOf().dataset.target;
    state.textContent = word("face_busy");
    item.dataset.problem = "false";
    try {
      const chosen = await takeFace(file);
      if (peopleOf()?.dataset.target !== target) return;
      mapped[item.dataset.face] = chosen;
      keepMapping();
      showMapped(item);
    } catch (problem) {
      showMapped(item);
      item.dataset.problem = "true";
      state.textContent = problem instanceof Refused ? problem.message : word("action_failed");
    }
  }

  class Refused extends Error {}

  /** Upload a picture and find the face in it that would be used. */
  async function takeFace(file) {
    const body = new FormData();
    body.append("file", file);
    const sent = await fetch(`${prefix()}/api/upload`, {
      method: "POST",
      body,
      headers: token ? { Authorization: `Bearer ${token}` } : {},
    });
    if (!sent.ok) throw new Refused(refusal(sent));
    const upload = (await sent.json()).data;
    if (!upload.type.startsWith("image/")) throw new Refused(word("need_picture"));
    const looked = await call("POST", "/api/detect-faces", { body: { fileId: upload.fileId } });
    if (!looked.ok) throw new Refused(refusal(looked));
    const faces = (await looked.json()).data.faces;
    if (!faces.length) throw new Refused(word("no_face_here"));
    const largest = faces.reduce((one, other) => (other.width * other.height > one.width * one.height ? other : one));
    return { file: upload.fileId, name: upload.fileName, preview: largest.preview.split(",")[1] };
  }

  function chooseForFace(event) {
    const item = event.target instanceof Element && event.target.closest(".fs-drop")?.closest("li");
    if (!item) return;
    if (event.type === "dragover") return event.preventDefault();
    const files = event.type === "drop" ? event.dataTransfer?.files : event.target.files;
    if (!files?.length) return;
    event.preventDefault();
    const problem = judge(files);
    if (problem) toast(problem, "bad");
    else mapFace(item, files[0]);
    if (event.type === "change") event.target.value = "";
  }
  for (const name of ["change", "drop", "dragover"]) document.addEventListener(name, chooseForFace);

  /** `/video?example`, or that of another page, was followed: as if its button had been pressed, once. */
  function example() {
    if (!new URLSearchParams(location.search).has("example")) return;
    history.replaceState(null, "", location.pathname);
    find("fs-example").click();
  }

  /** Where the target video stands, in seconds; 0 when there is none or it was not touched. */
  const moment = () => document.querySelector("#fs-target-card video")?.currentTime || 0;

  // -- the page ------------------------------------------------------------------------------------------

  function localise() {
    for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(time.dateTime);
      const exact = time.dataset.style === "exact";
      const style = exact ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
      time.textContent = at.toLocaleString(chinese ? "zh-CN" : "en", style);
      time.title = at.toLocaleString();
      time.dataset.local = "true";
    }
  }

  /** A Space's frame grows with its content, so that its bottom edge may be out of sight. */
  function stayInSight(dock) {
    let tries = 0;
    const wait = setInterval(() => {
      const frame = window.parentIFrame;
      if (frame?.getPageInfo) {
        clearInterval(wait);
        frame.getPageInfo((page) => {
          const below = window.innerHeight - (page.scrollTop + page.clientHeight - page.offsetTop);
          document.documentElement.style.setProperty("--fs-lift", `${Math.max(0, below)}px`);
        });
      } else if (++tries > 40) clearInterval(wait);
    }, 250);
    new ResizeObserver(() => {
      document.documentElement.style.setProperty("--fs-dock-height", `${dock.offsetHeight}px`);
      align();
    }).observe(dock);
  }

  /** Called once by Gradio when the page is there. */
  function start() {
    const dock = find("fs-dock");
    const page = document.querySelector("[data-page]")?.dataset.page || "start";
    document.title = page === "start" ? word("title_start") : `${word(`title_${page}`)} · ${word("title_start")}`;
    dock.setAttribute("role", "region");
    dock.setAttribute("aria-label", word("panel"));
    dock.dataset.limit = find("fs-pill").dataset.limit;
    const wide = window.matchMedia("(min-width: 900px)").matches;
    const remembered = localStorage.getItem("faceswap-panel");
    showPanel(remembered ? remembered === "open" : wide);
    stayInSight(dock);
  }

  speakOneLanguage();
  return { tick, start, queued, example, mapping, moment, keepFaces, restoreMapping, lendViewer, lendInspector, view, localise, toast };
})();
