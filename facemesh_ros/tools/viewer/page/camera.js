// The visitor's own camera: pictures go to the server one at a time, and are shown with the mesh that comes back.

import { pictureMessage } from "./wire.js";

const LONGEST_PX = 640;
const PATIENCE_MS = 3000; // for an answer, before the next picture is sent: the first one loads the networks
const QUALITY = 0.85;

export class OwnCamera {
  // `send` takes an ArrayBuffer and says whether the connection is there.
  constructor(send) {
    this.send = send;
    this.number = 0;
    this.pictures = new Map(); // number → canvas
  }

  async start() {
    const wish = { width: { ideal: LONGEST_PX }, height: { ideal: 480 }, facingMode: "user" };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: wish, audio: false });
    this.video = Object.assign(document.createElement("video"), { srcObject: this.stream, muted: true, playsInline: true });
    await this.video.play();
    this.timer = setInterval(() => this.sendNext(), 15);
    this.free = 0;
  }

  stop() {
    clearInterval(this.timer);
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
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
    const now = performance.now();
    if (now < this.free || !this.video.videoWidth || this.video.currentTime === this.shown) return;
    this.free = now + PATIENCE_MS;
    this.shown = this.video.currentTime;
    const { videoWidth, videoHeight } = this.video, scale = Math.min(1, LONGEST_PX / Math.max(videoWidth, videoHeight));
    const size = { width: Math.round(videoWidth * scale), height: Math.round(videoHeight * scale) };
    const canvas = Object.assign(document.createElement("canvas"), size);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    const number = ++this.number;
    this.pictures.set(number, canvas);
    if (!this.stream || !this.send(await pictureMessage(number, blob))) this.pictures.delete(number);
  }
}
