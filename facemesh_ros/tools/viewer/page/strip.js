// A strip chart: one figure over the last 30 s.

const SPAN_S = 30;

export class Strip {
  constructor(canvas, variable, least) {
    Object.assign(this, { canvas, variable, least, samples: [] });
  }

  // Add a value, or null for a gap; `now` in s.
  push(now, value) {
    this.samples.push([now, value]);
    while (this.samples.length && this.samples[0][0] < now - SPAN_S) this.samples.shift();
  }

  draw(now) {
    const { canvas } = this, dpr = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
    const [width, height] = [Math.round(canvas.clientWidth * dpr), Math.round(canvas.clientHeight * dpr)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d"), values = this.samples.map(([, value]) => value).filter((v) => v !== null);
    const top = rounded(Math.max(this.least, 1.25 * high(values))), left = 34 * dpr, floor = height - 16 * dpr, roof = 7 * dpr;
    const x = (t) => left + (width - left - 2) * (1 - (now - t) / SPAN_S), y = (v) => floor - (floor - roof) * Math.min(v / top, 1.05);
    context.clearRect(0, 0, width, height);
    context.font = `${11 * dpr}px system-ui, "DejaVu Sans", sans-serif`;
    Object.assign(context, { fillStyle: style.getPropertyValue("--quiet"), lineWidth: dpr, textBaseline: "middle" });
    context.strokeStyle = style.getPropertyValue("--edge");
    context.textAlign = "right";
    for (const value of [0, top / 2, top]) {
      context.beginPath();
      context.moveTo(left, y(value));
      context.lineTo(width, y(value));
      context.stroke();
      context.fillText(String(value), left - 5 * dpr, y(value));
    }
    context.textBaseline = "alphabetic";
    context.fillText("now", width - 1, height - 2 * dpr);
    context.textAlign = "left";
    context.fillText(`${SPAN_S} s ago`, left, height - 2 * dpr);
    this.line(context, x, y, style.getPropertyValue(this.variable), 1.6 * dpr);
  }

  line(context, x, y, colour, width) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
    context.beginPath();
    let isDown = false;
    for (const [t, value] of this.samples) {
      if (value !== null) context[isDown ? "lineTo" : "moveTo"](x(t), y(value));
      isDown = value !== null;
    }
    context.stroke();
  }
}

// The 95th percentile: a single high value, such as the first one, is cut off, not the rest made flat.
const high = (values) => [...values].sort((a, b) => a - b)[Math.floor(0.95 * (values.length - 1))] ?? 0;

// The next 1, 2, 4, 6 or 8 times a power of ten.
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 6, 8, 10].find((factor) => value <= factor * power * 1.0001);
}
