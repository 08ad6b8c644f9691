// Loads whole videos, plays one or two in sync, and records whether they were played to their end.
"use strict";

const STEP = 0.04; // seconds that two videos may be apart
const JUMP = 0.25; // seconds from which on the second one is put where the first one is
const SEEN = 0.95; // of a video that was played before it counts as seen

const loaded = new Map(); // address to a promise of the whole file's own address, of this trial and the next

function load(address) {
  if (!loaded.has(address)) {
    loaded.set(address, fetch(address).then(async (answer) => {
      if (!answer.ok) throw new Error("A video cannot be loaded.");
      return URL.createObjectURL(await answer.blob());
    }));
    loaded.get(address).catch(() => loaded.delete(address));
  }
  return loaded.get(address);
}

function forget(wanted) {
  for (const [address, promise] of loaded) {
    if (wanted.includes(address)) continue;
    loaded.delete(address);
    promise.then((url) => URL.revokeObjectURL(url), () => {});
  }
}

// One video, or two in sync; the first one's sound is played, since both have the same.
class Player {
  constructor(trial) {
    const names = trial.videos.length > 1 ? ["Left", "Right"] : [""];
    this.videos = trial.videos.map((_, at) => make("video", {
      playsInline: true, preload: "auto", muted: at > 0, disablePictureInPicture: true,
      "aria-label": names[at] ? `${names[at]} video` : "Video",
    }));
    const figures = this.videos.map((video, at) =>
      make("figure", {}, ...(names[at] ? [make("figcaption", {}, names[at])] : []), video));
    this.root = make("div", { class: trial.videos.length > 1 ? "videos pair" : "videos" }, ...figures);
    this.seen = false;
    this.trial = trial;
  }

  async ready() {
    const addresses = await Promise.all(this.trial.videos.map(load));
    await Promise.all(this.videos.map((video, at) => new Promise((resolve, reject) => {
      video.addEventListener("canplaythrough", resolve, { once: true });
      video.addEventListener("error", () => reject(new Error("A video cannot be played.")), { once: true });
      video.src = addresses[at];
      video.load();
    })));
  }

  // Play to the end; true if it got there, false if it was stopped.
  async play() {
    if (this.videos.every((video) => video.ended)) for (const video of this.videos) video.currentTime = 0;
    const ended = this.videos.map((video) => new Promise((resolve) => {
      const over = () => { if (video.ended || video.paused) resolve(video.ended); };
      for (const name of ["ended", "pause"]) video.addEventListener(name, over);
    }));
    await Promise.all(this.videos.map((video) => video.play()));
    const hidden = () => { if (document.hidden) this.videos.forEach((video) => video.pause()); };
    document.addEventListener("visibilitychange", hidden);
    this.follow();
    const whole = (await Promise.all(ended)).every(Boolean);
    document.removeEventListener("visibilitychange", hidden);
    if (whole && this.videos.every(wholly)) this.seen = true;
    return whole;
  }

  follow() {
    const [first, ...others] = this.videos;
    if (first.paused || first.ended) return;
    for (const other of others) {
      const late = first.currentTime - other.currentTime;
      if (Math.abs(late) > JUMP) other.currentTime = first.currentTime;
      other.playbackRate = Math.abs(late) > STEP ? 1 + Math.sign(late) * 0.1 : 1;
    }
    requestAnimationFrame(() => this.follow());
  }
}

function wholly(video) {
  let seconds = 0;
  for (let at = 0; at < video.played.length; at++) seconds += video.played.end(at) - video.played.start(at);
  return seconds >= SEEN * video.duration;
}
