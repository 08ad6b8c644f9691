// A rater's page: consent, instructions, trials, end. `Server` and `Folder` store answers, `Player` shows videos.
"use strict";

const main = document.getElementById("main");
const status = document.getElementById("status");

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
    const begin = make("button", { type: "button" }, again ? "Continue where you stopped" : "Start");
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
        hint.textContent = "The browser did not play the video; press the button again.";
      }
      play.disabled = false;
      play.textContent = whole ? "Play again" : "Continue";
      if (whole) play.classList.add("second");
      if (!player.seen) {
        if (whole) hint.textContent = "Play it once without stopping.";
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
      say(`${error.message} Load the page again; your answers are saved.`, true);
    });
  });
}

async function end(source, state) {
  if (state.closed && !state.finished) {
    show("The study is closed", ...paragraphs(["Thank you for your answers. No more answers are accepted."]));
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
