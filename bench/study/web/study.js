// A rater's page: consent, instructions, trials, end. Where the answers go is the affair of a `Source`.
"use strict";

const STEP = 0.04; // seconds that two videos may be apart
const JUMP = 0.25; // seconds from which on the second one is put where the first one is
const SEEN = 0.95; // of a video that was played before it counts as seen

const main = document.getElementById("main");
const status = document.getElementById("status");

// --- where answers go ---------------------------------------------------------------------------------------------

class Server {
  async texts() { return this.ask("texts"); }
  async state() { return this.ask("state"); }
  async consent(facts) { return this.ask("consent", { agreed: true, facts }); }
  async vote(trial, grades, seconds) { return this.ask("vote", { trial: trial.id, grades, seconds }); }

  async ask(name, content) {
    const how = content === undefined ? { cache: "no-store" } : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
    };
    const answer = await fetch(name, how).catch(() => { throw new Error("The server does not answer."); });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(found.error || `The server answered ${answer.status}.`), found);
    return found;
  }
}

// Keeps answers in this browser, and gives them as a file that is signed with the invitation's key.
class Folder {
  async texts() {
    this.token = decodeURIComponent(location.hash.slice(1));
    if (!this.token) throw new Error("Open the whole link of your invitation; its end is missing.");
    if (!window.isSecureContext) throw new Error("This page works only over https.");
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(this.token)));
    this.name = hex(hash).slice(0, 32);
    const answer = await fetch(`raters/${this.name}.json`).catch(() => null);
    if (!answer || !answer.ok) throw new Error("There is no such invitation.");
    this.plan = await answer.json();
    this.kept = { consented: null, facts: {}, votes: [], ...JSON.parse(localStorage.getItem(this.key()) || "{}") };
    return this.plan.texts;
  }

  key() { return `study ${this.plan.study} ${this.name}`; }
  keep() { localStorage.setItem(this.key(), JSON.stringify(this.kept)); }

  async state() {
    const { trials } = this.plan, done = this.kept.votes.length;
    const open = this.kept.consented !== null;
    return {
      consented: open, closed: false, done, total: trials.length, finished: done === trials.length,
      trial: open ? trials[done] || null : null, next: open ? trials[done + 1] || null : null,
    };
  }

  async consent(facts) {
    Object.assign(this.kept, { consented: new Date().toISOString(), facts });
    this.keep();
    return this.state();
  }

  async vote(trial, grades, seconds) {
    this.kept.votes.push({ trial: trial.id, grades, seconds, time: new Date().toISOString() });
    this.keep();
    return this.state();
  }

  async file() {
    const payload = JSON.stringify({ study: this.plan.study, slot: this.plan.slot, ...this.kept });
    const bytes = new TextEncoder();
    const how = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", bytes.encode(this.token), how, false, ["sign"]);
    const signature = hex(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(payload))));
    const whole = { format: this.plan.format, payload, signature };
    return new File([JSON.stringify(whole, null, 1)], `answers-${this.name.slice(0, 8)}.json`, { type: "application/json" });
  }
}

function hex(bytes) { return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""); }

// --- pieces of the page -------------------------------------------------------------------------------------------

function make(tag, facts = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

function show(title, ...inside) {
  const heading = make("h1", { tabIndex: -1 }, title);
  main.replaceChildren(heading, ...inside);
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  return heading;
}

function say(text, wrong = false) {
  status.className = wrong ? "error" : "";
  status.textContent = text;
}

function progress(state) {
  document.getElementById("progress").hidden = !state.consented;
  Object.assign(document.getElementById("bar"), { max: Math.max(1, state.total), value: state.done });
  document.getElementById("count").textContent = `${state.done} of ${state.total} done`;
}

function paragraphs(texts) { return texts.map((text) => make("p", {}, text)); }

// --- videos -------------------------------------------------------------------------------------------------------

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

// One video, or two in step; heard is the first, as both have the same sound.
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

  // Play to the end; true where it got there, false where it was stopped.
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

// --- the steps ----------------------------------------------------------------------------------------------------

function consent(texts, source) {
  return new Promise((resolve) => {
    const box = make("input", { type: "checkbox", id: "agree" });
    const fields = texts.asked.map((one) => make("input", { type: "text", name: one.name, maxLength: one.longest, autocomplete: "off" }));
    const begin = make("button", { type: "submit", disabled: true }, "Continue");
    box.addEventListener("change", () => { begin.disabled = !box.checked; });
    const form = make("form", {},
      ...texts.asked.map((one, at) => make("label", { class: "ask" }, one.text, fields[at])),
      make("label", { class: "agree" }, box, "I have read this, I am of age, and I agree to take part."), begin);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      begin.disabled = true;
      try {
        const facts = Object.fromEntries(fields.filter((field) => field.value.trim()).map((field) => [field.name, field.value.trim()]));
        resolve(await source.consent(facts));
      } catch (error) {
        begin.disabled = false;
        say(error.message, true);
      }
    });
    show("Before you begin", ...paragraphs(texts.consent), form);
  });
}

function instructions(texts, again) {
  return new Promise((resolve) => {
    const begin = make("button", { type: "button" }, again ? "Go on where you were" : "Start");
    begin.addEventListener("click", resolve);
    show(again ? "Welcome back" : "How it works", ...paragraphs(texts.instructions), make("div", { class: "actions" }, begin));
  });
}

function question(one, at) {
  const short = one.grades.length <= 5 && one.grades.every((grade) => grade.label.length <= 13); // in a row on a phone, too
  const grades = one.grades.map((grade) => make("label", {},
    make("input", { type: "radio", name: `q${at}`, value: String(grade.value), required: true }), grade.label));
  return make("fieldset", { disabled: true, "aria-describedby": "hint" }, make("legend", {}, one.text), make("div", { class: short ? "grades short" : "grades" }, ...grades));
}

function trial(texts, source, state) {
  return new Promise((resolve) => {
    const began = performance.now();
    const now = state.trial, player = new Player(now);
    const several = now.videos.length > 1;
    const play = make("button", { type: "button", class: "play", disabled: true }, "Loading");
    const hint = make("p", { class: "hint", id: "hint" }, several ? "Play both videos to their end; then answer." : "Play the video to its end; then answer.");
    const asked = texts.questions.map(question);
    const next = make("button", { type: "submit", disabled: true }, "Next");
    const form = make("form", {}, ...asked, make("div", { class: "actions" }, next));
    const heading = show(`${several ? "Videos" : "Video"} ${now.number} of ${now.total}`, player.root, make("div", { class: "actions" }, play), hint, form);
    if (now.practice) heading.append(make("span", { class: "tag" }, "Practice"));
    const chosen = () => asked.map((set) => set.querySelector(":checked"));
    form.addEventListener("change", () => { next.disabled = !player.seen || !chosen().every(Boolean); });

    play.addEventListener("click", async () => {
      play.disabled = true;
      hint.textContent = "Playing.";
      let whole = false;
      try {
        whole = await player.play();
      } catch {
        hint.textContent = "The browser did not play; press the button again.";
      }
      play.disabled = false;
      play.textContent = whole ? "Play again" : "Go on playing";
      if (whole) play.classList.add("second");
      if (!player.seen) {
        if (whole) hint.textContent = "Play it once without a stop.";
        return;
      }
      const first = asked[0].disabled;
      for (const set of asked) set.disabled = false;
      hint.textContent = "Now answer.";
      if (first) {
        say("The video has ended. Now answer.");
        asked[0].querySelector("input").focus({ preventScroll: true });
      }
    });

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const grades = Object.fromEntries(texts.questions.map((one, at) => [one.name, Number(chosen()[at].value)]));
      next.disabled = true;
      say("Saving.");
      try {
        const after = await source.vote(now, grades, Math.round(performance.now() - began) / 1000);
        say("");
        resolve(after);
      } catch (error) {
        if (["changed", "not-yet", "closed"].includes(error.reason)) { // another window has gone on
          resolve(await source.state().catch(() => state));
          return;
        }
        next.disabled = false;
        say(`Not saved: ${error.message} Press Next again.`, true);
      }
    });

    player.ready().then(() => {
      play.disabled = false;
      play.textContent = "Play";
      if (document.activeElement === heading) play.focus({ preventScroll: true });
      if (state.next) for (const address of state.next.videos) load(address).catch(() => {});
      forget([...now.videos, ...(state.next ? state.next.videos : [])]);
    }, (error) => {
      say(`${error.message} Load the page again; what you answered is kept.`, true);
    });
  });
}

async function end(source, state) {
  if (state.closed && !state.finished) {
    show("The study is closed", ...paragraphs(["Thank you for what you answered. No more answers are taken."]));
    return;
  }
  if (!(source instanceof Folder)) {
    show("Thank you", ...paragraphs(["All your answers are stored. You can close the page."]));
    return;
  }
  const file = await source.file();
  const link = make("a", { href: URL.createObjectURL(file), download: file.name }, `Download ${file.name}`);
  show("Thank you", ...paragraphs([
    "Your answers are in this browser only. Download them as a file and send it to the person who invited you.",
  ]), make("p", {}, link));
}

async function begin() {
  const source = document.body.dataset.static === "yes" ? new Folder() : new Server();
  try {
    const texts = await source.texts();
    let state = await source.state();
    progress(state);
    const again = state.consented && state.done > 0;
    if (!state.closed && !state.finished) {
      if (!state.consented) state = await consent(texts, source);
      progress(state);
      say("");
      if (state.trial) await instructions(texts, again);
    }
    while (state.trial && !state.closed) {
      state = await trial(texts, source, state);
      progress(state);
    }
    await end(source, state);
  } catch (error) {
    show("This does not work", make("p", {}, error.message));
  }
}

begin();
