"use strict";
// One video holds all panels of a clip side by side. It is drawn once per frame into a hidden canvas, and every panel is
// cut out of it, so no two panels ever show different frames.
(() => {
  const players = [];

  function begin(root) {
    const find = name => root.querySelector(name);
    const video = find("video");
    if (!video) return;
    const facts = JSON.parse(find("script").textContent);
    const {times, end, panels, truth, width, height, columns} = facts;
    const stamps = times.map(time => time - times[0]); // on the video's clock
    const screens = [...root.querySelectorAll("canvas")].map(canvas => canvas.getContext("2d"));
    const missing = panels.map(panel => new Set(panel.missing));
    const whole = document.createElement("canvas"), sheet = whole.getContext("2d");
    const seek = find(".seek"), play = find(".play"), differ = find(".differ"), mute = find(".mute");
    const speeds = [...root.querySelectorAll(".speed")];
    const curves = [...root.parentElement.querySelectorAll(".curve")];
    const left = Number(root.dataset.left), wide = Number(root.dataset.wide);
    let at = 0, wanted = 0, aiming = false, live = false; // aiming: on the way to the wanted frame

    const shown = time => { // the frame that is shown at a time of the video
      let low = 0, high = stamps.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (stamps[middle] <= time + 0.0005) low = middle; else high = middle - 1;
      }
      return low;
    };
    const inside = k => (stamps[k] + (k + 1 < stamps.length ? stamps[k + 1] : end - times[0])) / 2;

    function draw(time) {
      if (!live || video.readyState < 2) return;
      at = shown(time);
      if (at === wanted) aiming = false;
      whole.width = video.videoWidth;
      whole.height = video.videoHeight;
      sheet.drawImage(video, 0, 0);
      screens.forEach((screen, k) => {
        screen.globalCompositeOperation = "copy";
        tile(screen, k);
        const compared = root.classList.contains("differing") && panels[k].model;
        const nothing = missing[k].has(at) || missing[truth]?.has(at);
        screen.canvas.classList.toggle("bright", compared && !nothing);
        if (compared && !nothing) {
          screen.globalCompositeOperation = "difference";
          tile(screen, truth);
        }
      });
      root.classList.add("live");
      tell();
    }

    function tile(screen, k) {
      const x = (k % columns) * width, y = Math.floor(k / columns) * height;
      screen.drawImage(whole, x, y, width, height, 0, 0, screen.canvas.width, screen.canvas.height);
    }

    function tell() {
      root.dataset.frame = at;
      if (!aiming) seek.value = at;
      const text = `frame ${at + 1} of ${times.length}, ${times[at].toFixed(2)} s`;
      seek.setAttribute("aria-valuetext", text);
      find(".place").textContent = text;
      for (const curve of curves) {
        const {begin, end: last} = curve.dataset;
        const share = (times[at] - begin) / (last - begin);
        curve.style.setProperty("--cursor", `${100 * (left + wide * share)}%`);
        curve.classList.add("live");
      }
    }

    function go(k) { // to a frame; its middle, so that rounding of times never leads to a neighbor
      wanted = Math.max(0, Math.min(times.length - 1, k));
      live = aiming = true;
      seek.value = wanted;
      if (video.readyState === 0) {
        if (video.networkState !== video.NETWORK_LOADING) video.load(); // it was told to load no more than it must
      } else if (!video.seeking) {
        video.currentTime = inside(wanted); // else once the last one has arrived
      }
    }

    const target = () => aiming ? wanted : at;

    function step(frames) {
      video.pause();
      go(target() + frames);
    }

    function toggle() {
      if (!video.paused) return video.pause();
      for (const other of players) if (other !== video) other.pause();
      live = true;
      aiming = false;
      if (video.ended || at === times.length - 1) video.currentTime = 0;
      video.play().catch(() => {}); // what cannot be played has raised an error already
    }

    function setSpeed(button) {
      video.playbackRate = Number(button.dataset.rate);
      for (const one of speeds) one.setAttribute("aria-pressed", one === button);
    }

    function pressed(button, on) {
      button.setAttribute("aria-pressed", on);
      return on;
    }

    function compare() {
      root.classList.toggle("differing", pressed(differ, differ.getAttribute("aria-pressed") !== "true"));
      if (video.paused) root.classList.contains("live") ? draw(stamps[at]) : go(target());
    }

    const keys = {
      " ": toggle,
      ArrowLeft: event => event.shiftKey ? second(-1) : step(-1),
      ArrowRight: event => event.shiftKey ? second(1) : step(1),
      Home: () => step(-times.length),
      End: () => step(times.length),
      d: () => differ && compare(),
      m: () => mute && (video.muted = !video.muted),
      s: () => {
        const now = speeds.findIndex(one => one.getAttribute("aria-pressed") === "true");
        setSpeed(speeds[(now + 1) % speeds.length]);
      },
    };

    function second(sign) {
      const from = stamps[target()];
      video.pause();
      go(shown(from + sign));
    }

    root.addEventListener("keydown", event => {
      const own = event.target.tagName === "BUTTON" && event.key === " "; // which presses the button
      if (own || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
      event.preventDefault();
      keys[event.key](event);
    });
    play.addEventListener("click", toggle);
    find(".panels").addEventListener("click", toggle);
    find(".back").addEventListener("click", () => step(-1));
    find(".on").addEventListener("click", () => step(1));
    seek.addEventListener("input", () => { video.pause(); go(Number(seek.value)); });
    for (const button of speeds) button.addEventListener("click", () => setSpeed(button));
    differ?.addEventListener("click", compare);
    mute?.addEventListener("click", keys.m);
    for (const curve of curves) {
      const marked = [["--from", times[0]], ["--until", end]];
      for (const [name, time] of marked) {
        const share = (time - curve.dataset.begin) / (curve.dataset.end - curve.dataset.begin);
        curve.style.setProperty(name, `${100 * (left + wide * Math.max(0, Math.min(1, share)))}%`);
      }
      curve.classList.toggle("part", times[0] > curve.dataset.begin || end < curve.dataset.end);
      curve.addEventListener("click", event => {
        const box = curve.getBoundingClientRect();
        const share = ((event.clientX - box.left) / box.width - left) / wide;
        const time = Number(curve.dataset.begin) + share * (curve.dataset.end - curve.dataset.begin);
        const next = times.findIndex(one => one > time);
        const nearest = next < 0 ? times.length - 1 : next > 0 && time - times[next - 1] < times[next] - time ? next - 1 : next;
        video.pause();
        go(nearest);
        root.focus({preventScroll: true});
      });
    }

    const running = () => { play.textContent = video.paused ? "Play" : "Pause"; };
    for (const name of ["play", "pause", "ended"]) video.addEventListener(name, running);
    video.addEventListener("loadedmetadata", () => { if (aiming) go(wanted); });
    video.addEventListener("volumechange", () => mute && pressed(mute, video.muted));
    video.addEventListener("seeked", () => {
      draw(video.currentTime);
      if (aiming && shown(video.currentTime) !== wanted) video.currentTime = inside(wanted); // of keys pressed meanwhile
    });
    if ("requestVideoFrameCallback" in video) {
      const each = (now, frame) => { draw(frame.mediaTime); video.requestVideoFrameCallback(each); };
      video.requestVideoFrameCallback(each);
    } else {
      const each = () => { if (!video.paused) draw(video.currentTime); requestAnimationFrame(each); };
      each();
    }
    const gone = () => {
      root.classList.add("gone");
      root.classList.remove("ready");
      find(".problem").hidden = false;
      find(".controls").hidden = true;
      video.hidden = true;
    };
    video.addEventListener("error", gone);
    if (video.error) return gone();
    video.controls = false;
    root.classList.add("ready");
    find(".controls").hidden = false;
    find(".place").textContent = `${times.length} frames, ${(end - times[0]).toFixed(1)} s`;
    for (const curve of curves) curve.classList.add("ready");
    players.push(video);
  }

  document.querySelectorAll(".player").forEach(begin);
})();
