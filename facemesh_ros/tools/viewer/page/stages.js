// Where the time of an image goes: the mean of each stage over the last seconds.

const SPAN_S = 2, REST_S = 0.5; // a figure stays for as long as it takes to read it
const OF_MESH = ["crop", "network", "post"];
const WORDS = {
  queue: "waiting: to be taken up, for camera_info, for depth",
  decode: "taking in the message",
  detect: "looking for new faces, and confirming faces",
  mesh: "the landmark network and what is around it: crop, network, post",
  crop: "of mesh: cutting the faces out of the image",
  network: "of mesh: the network itself",
  post: "of mesh: taking the points back to the image",
  pose: "head pose, metric points, eyes and gaze",
  build: "making the message; of the image before",
  publish: "sending it and what goes with it; of the image before",
  total: "from the arrival in the node until the message is made",
};

export class Stages {
  constructor(box) {
    Object.assign(this, { box, list: box.querySelector("dl"), samples: [], shownAt: -Infinity, names: "" });
  }

  // Take over stage → ms, or null for an unknown time; `now` in s. Without any stage nothing is shown.
  push(now, stages) {
    const names = Object.keys(stages), isNew = names.join() !== this.names;
    if (isNew) this.fill(names);
    this.samples = [...this.samples.filter(([at]) => at > now - SPAN_S), [now, stages]];
    if (isNew || now - this.shownAt > REST_S) this.show(now);
  }

  show(now) {
    this.shownAt = now;
    for (const value of this.list.querySelectorAll("dd")) {
      const known = this.samples.map(([, stages]) => stages[value.dataset.stage]).filter((ms) => ms !== null);
      const mean = known.reduce((a, b) => a + b, 0) / known.length;
      value.textContent = known.length ? mean.toFixed(mean < 9.995 ? 2 : 1) : "–";
    }
  }

  fill(names) {
    [this.names, this.samples] = [names.join(), []];
    this.box.hidden = !names.length;
    const parts = names.includes("mesh") ? names.filter((name) => OF_MESH.includes(name)) : [];
    const groups = names.filter((name) => !parts.includes(name)).map((name) => (name === "mesh" ? [name, ...parts] : [name]));
    this.list.replaceChildren(...groups.map(group));
  }
}

// A stage, or one and those that lie inside it.
function group(names) {
  const made = document.createElement("div");
  made.className = names.length > 1 ? "group" : "";
  for (const name of names) {
    const term = document.createElement("dt"), value = document.createElement("dd");
    Object.assign(term, { textContent: name, title: WORDS[name] ?? "" });
    value.dataset.stage = name;
    made.append(term, value);
  }
  return made;
}
