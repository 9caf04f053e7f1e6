// The messages between this page and its server: docs/viewer.md.

const FRAME_MAGIC = 0x31464d46, PICTURE_MAGIC = 0x31504d46; // "FMF1", "FMP1", little-endian
const HEADER = 16;

// ArrayBuffer → the frame's JSON, each face with `points` (px) and `pointsM` (m, or null), and the JPEG's bytes.
export function frameOf(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER || view.getUint32(0, true) !== FRAME_MAGIC) throw new Error("not a frame");
  const [text, count, jpeg] = [4, 8, 12].map((at) => view.getUint32(at, true));
  const floatsAt = HEADER + text;
  if (buffer.byteLength !== floatsAt + 4 * count + jpeg) throw new Error("a frame was cut short");
  const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER, text)));
  let at = floatsAt;
  const take = (length) => {
    const values = new Float32Array(buffer, at, length);
    at += 4 * length;
    return values;
  };
  for (const face of frame.faces) {
    face.points_px = take(3 * face.points);
    face.points_m = face.metric ? take(3 * face.points) : null;
  }
  frame.jpeg = new Uint8Array(buffer, floatsAt + 4 * count, jpeg);
  return frame;
}

export async function pictureMessage(number, blob) {
  const header = new DataView(new ArrayBuffer(8));
  header.setUint32(0, PICTURE_MAGIC, true);
  header.setUint32(4, number, true);
  return new Blob([header.buffer, blob]).arrayBuffer();
}
