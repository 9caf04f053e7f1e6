// The visitor's own camera: pictures go to the server one at a time, and are shown with the mesh that comes back.

import { pictureMessage } from "./wire.js";

const LONGEST_PX = 640;
const PATIENCE_MS = 3000; // for an answer, before the next picture is sent: the first one loads the networks
const QUALITY = 0.85;

export class OwnCamera {
  // `send` takes an ArrayBuffer and says whether the connection is there; `onEnd` hears of a camera that went away.
  constructor(send, onEnd) {
    this.send = send;
    this.onEnd = onEnd;
    this.stream = null;
    this.number = 0;
    this.pictures = new Map(); // number → canvas
    this.attempt = null; // what `stop` takes away, also while the browser still asks the visitor
  }

  get isWanted() { return this.attempt !== null; }

  // Returns whether it is on: false where it was given up before the browser answered.
  async start() {
    const attempt = this.attempt = {};
    const wish = { width: { ideal: LONGEST_PX }, height: { ideal: 480 }, facingMode: "user" };
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wish, audio: false });
      const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
      if (attempt === this.attempt) await video.play();
      if (attempt !== this.attempt) return false;
      Object.assign(this, { stream, video, free: 0, shown: -1, timer: setInterval(() => this.sendNext(), 15) });
      for (const track of stream.getTracks()) track.onended = () => this.onEnd();
      return true;
    } catch (error) {
      if (attempt !== this.attempt) return false;
      throw error;
    } finally {
      if (this.stream !== stream) switchOff(stream);
      if (!this.stream && attempt === this.attempt) this.attempt = null;
    }
  }

  stop() {
    clearInterval(this.timer);
    switchOff(this.stream);
    this.stream = this.attempt = null;
    this.pictures.clear();
  }

  // The picture that a frame answers, or undefined.
  answered(frame) {
    const picture = this.pictures.get(frame.picture);
    for (const number of this.pictures.keys()) if (number <= frame.picture) this.pictures.delete(number);
    this.free = 0;
    return picture;
  }

  async sendNext() {
    const now = performance.now(), { stream, video } = this;
    if (now < this.free || !video.videoWidth || video.currentTime === this.shown) return;
    this.free = now + PATIENCE_MS;
    this.shown = video.currentTime;
    const { videoWidth, videoHeight } = video, scale = Math.min(1, LONGEST_PX / Math.max(videoWidth, videoHeight));
    const size = { width: Math.round(videoWidth * scale), height: Math.round(videoHeight * scale) };
    const canvas = Object.assign(document.createElement("canvas"), size);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!blob) return;
    const number = ++this.number, message = await pictureMessage(number, blob);
    if (stream !== this.stream) return; // it was turned off meanwhile
    this.pictures.set(number, canvas);
    if (!this.send(message)) this.pictures.delete(number);
  }
}

function switchOff(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}
