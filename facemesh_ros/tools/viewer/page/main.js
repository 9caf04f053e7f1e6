// The page: a socket that comes back by itself, and what is drawn of its frames.

import { OwnCamera } from "./camera.js";
import { drawOverlay } from "./overlay.js";
import { Scatter } from "./scatter.js";
import { Stages } from "./stages.js";
import { Strip } from "./strip.js";
import { Table } from "./table.js";
import { frameOf } from "./wire.js";

const TOGGLES = ["video", "mesh", "contours", "irises", "axes", "gaze", "labels"];
const LOST_MS = 4000; // without a word from the server, which speaks twice a second
const TABLE_MS = 200;
const PROBLEM_MS = 8000; // for which is said why there is no camera

const $ = (id) => document.getElementById(id);
const wanted = Object.fromEntries(TOGGLES.map((name) => [name, true]));
const scatter = new Scatter($("scatter"));
const strips = [new Strip($("latency-strip"), "--latency", 20), new Strip($("rate-strip"), "--rate", 10)];
const stages = new Stages($("stages"));
const table = new Table($("faces"), (id) => { chosen = id; });
const camera = new OwnCamera((message) => send(message), () => turnCamera(false, "The camera has ended."));
let socket = null, topology = null, frame = null, picture = null, chosen = null, cameraOn = false;
let heardAt = 0, retryMs = 500, tableAt = 0, drawn = 0, arrivals = [], lastStatus = null;
let newest = 0; // the highest number of a frame of this connection that was drawn
let privacies = 0; // how often the server has said that the source is private
let problem = { text: "", until: 0 }; // why there is no camera

// The connection

function connect() {
  socket = new WebSocket(new URL("socket", location.href).href.replace(/^http/, "ws").replace(/\?.*$/, ""));
  socket.binaryType = "arraybuffer";
  heardAt = performance.now();
  socket.onopen = () => {
    newest = 0; // the numbers of another server's frames begin anew
    if (cameraOn) send(JSON.stringify({ type: "camera", value: true }));
  };
  socket.onmessage = ({ data }) => {
    heardAt = performance.now();
    retryMs = 500;
    if (typeof data === "string") onStatus(JSON.parse(data));
    else onFrame(data, socket);
  };
  socket.onclose = ({ reason }) => lose(reason);
}

function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(message);
  return true;
}

function lose(reason) {
  if (camera.isWanted && reason) turnCamera(false, reason); // refused: to try again at once would be refused again
  lastStatus = null;
  setState("lost", "viewer not reachable", reason || "Trying again. Has facemesh view ended, or its token changed?");
  socket.onmessage = socket.onclose = null;
  setTimeout(connect, retryMs);
  retryMs = Math.min(2 * retryMs, 4000);
}

setInterval(() => {
  if (socket && socket.onclose && performance.now() - heardAt > LOST_MS) {
    socket.onclose = null;
    socket.close();
    lose("");
  }
}, 500);

// What arrives

async function onFrame(data, from) {
  const next = frameOf(data), before = privacies;
  let image = await pictureOf(next);
  // Acknowledged also when it is not shown: the server sends no more than two without.
  if (from.readyState === WebSocket.OPEN) from.send(JSON.stringify({ type: "ack", value: next.seq }));
  if (from !== socket || next.seq <= newest || cameraOn !== (next.picture !== undefined) || image === undefined) return;
  if (before !== privacies && !cameraOn) image = null; // the source became private while it was decoded
  newest = next.seq;
  const now = performance.now() / 1000;
  arrivals = [...arrivals.filter((t) => t > now - 2), now];
  [frame, picture] = [next, image];
  const rate = cameraOn ? ownRate() : next.rate_hz;
  for (const [i, value] of [next.latency_ms, rate].entries()) strips[i].push(now, value);
  $("latency").textContent = next.latency_ms === null ? "–" : `${next.latency_ms.toFixed(next.latency_ms < 10 ? 1 : 0)} ms`;
  stages.push(now, next.stages_ms);
  const shown = ownRate(), isSlow = rate !== null && shown !== null && shown < 0.8 * rate;
  $("rate").textContent = rate === null ? "–" : `${rate.toFixed(1)} Hz`;
  $("shown").textContent = isSlow ? `${shown.toFixed(0)} shown` : "";
  if (cameraOn) setState("camera", "your camera", "");
  draw();
}

function ownRate() {
  const span = arrivals.at(-1) - arrivals[0];
  return span > 1 ? (arrivals.length - 1) / span : null;
}

// The image of a frame: null for none, undefined where it is lost.
async function pictureOf(next) {
  if (next.picture !== undefined) return camera.answered(next);
  if (!next.jpeg.length) return null;
  const jpeg = new Blob([next.jpeg], { type: "image/jpeg" });
  return createImageBitmap(jpeg, { imageOrientation: "none" }) // as it lies: so the points were found
    .catch(() => createImageBitmap(jpeg)) // an older Safari, which knows no options
    .catch(() => null);
}

function onStatus(status) {
  lastStatus = status;
  $("source").textContent = status.source;
  $("no-video").hidden = !status.private || cameraOn;
  privacies += status.private;
  if (cameraOn) return;
  if (status.private && picture) {
    picture = null;
    draw();
  }
  const silent = `no images for ${status.silent_s.toFixed(0)} s`;
  const words = { live: "live", waiting: "waiting for images", none: "no source", silent }[status.state];
  if (performance.now() < problem.until) setState(status.state, words, problem.text, "no camera");
  else setState(status.state, words, status.text);
  if (status.state === "silent") for (const strip of strips) strip.push(performance.now() / 1000, null);
}

function setState(state, words, notice, heading = words) {
  document.body.dataset.state = state;
  if ($("state").textContent !== words) $("state").textContent = words;
  const title = document.createElement("b");
  title.textContent = heading[0].toUpperCase() + heading.slice(1);
  $("notice").replaceChildren(...(notice ? [title, notice] : []));
  $("notice").hidden = !notice;
}

// What is drawn

function draw() {
  if (!frame && !drawn) return; // nothing has come yet
  const stage = $("stage"), dpr = window.devicePixelRatio || 1, faces = frame?.faces ?? [];
  if (frame) stage.style.setProperty("--ratio", frame.width / frame.height);
  fit($("overlay"), Math.round(stage.clientWidth * dpr), Math.round(stage.clientHeight * dpr));
  const canvas = $("picture"), context = canvas.getContext("2d");
  fit(canvas, picture?.width ?? 1, picture?.height ?? 1);
  if (picture && wanted.video) context.drawImage(picture, 0, 0);
  else context.clearRect(0, 0, canvas.width, canvas.height);
  drawOverlay($("overlay"), frame, topology, wanted);
  if (frame) Object.assign(stage.dataset, { stamp: frame.stamp, frames: ++drawn });
  const face = faces.find(({ id }) => id === chosen) ?? faces[0];
  if (topology) showUnit(scatter.show(face, topology), face);
  if (!frame || performance.now() - tableAt > TABLE_MS) {
    tableAt = performance.now();
    table.show(faces, face?.id);
    $("assumed").hidden = !faces.some(({ pose }) => pose && !pose.calibrated);
  }
}

function fit(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

function showUnit(unit, face) {
  const [metres, pixels] = $("units").children;
  metres.disabled = Boolean(face && !face.points_m);
  metres.setAttribute("aria-pressed", String(unit === "m"));
  pixels.setAttribute("aria-pressed", String(unit === "px"));
  $("scatter-what").textContent = face ? `face ${face.id}, ${face.points} points` : "";
}

// What is clicked

function button(name, pressed, onClick) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: name });
  made.setAttribute("aria-pressed", String(pressed));
  made.addEventListener("click", () => onClick(made));
  return made;
}

for (const name of TOGGLES) {
  const made = button(name, true, () => {
    wanted[name] = !wanted[name];
    made.setAttribute("aria-pressed", String(wanted[name]));
    draw();
  });
  made.dataset.toggle = name;
  $("toggles").append(made);
}

for (const made of $("units").children) {
  made.addEventListener("click", () => {
    scatter.unit = made.dataset.unit;
    scatter.next = 0;
    draw();
  });
}

const useCamera = button("use my camera", false, () => turnCamera(!cameraOn));
useCamera.id = "use-camera";
if (!navigator.mediaDevices) {
  useCamera.disabled = true;
  useCamera.title = "A browser gives its camera only to pages of https or of this machine: open the page through a tunnel, "
    + "ssh -L 8478:127.0.0.1:8478 ROBOT";
}
$("toggles").append(useCamera);

// Turn the camera on or off; `why` it goes off is told, unless the visitor wanted it.
async function turnCamera(on, why = "") {
  problem = { text: why, until: why ? performance.now() + PROBLEM_MS : 0 };
  if (on) {
    useCamera.disabled = true; // while the browser asks
    try {
      if (!await camera.start()) return;
    } catch (error) {
      turnCamera(false, `The browser gives no camera: ${error.message}`);
      return;
    } finally {
      useCamera.disabled = false;
    }
  } else {
    camera.stop();
  }
  if (on !== cameraOn) {
    cameraOn = on;
    [frame, picture, arrivals] = [null, null, []]; // they are of what was shown before
    draw();
    useCamera.setAttribute("aria-pressed", String(on));
    send(JSON.stringify({ type: "camera", value: on }));
  }
  if (on) setState("camera", "your camera", "");
  else if (lastStatus) onStatus(lastStatus);
}
window.addEventListener("pagehide", () => { if (camera.isWanted) turnCamera(false); });

setInterval(() => {
  const now = performance.now() / 1000;
  for (const strip of strips) strip.draw(now);
}, 250);
window.addEventListener("resize", draw);
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname);
fetch("topology.json").then((answer) => answer.json()).then((tables) => { topology = tables; draw(); });
connect();
