/** A clip: play, seek in its outline, and see its spectrum. */

import { load } from "./data.js";
import { h } from "./dom.js";
import { clock } from "./format.js";

const STEP_SECONDS = 2;
const OUTLINE = 56;
const SPECTRUM = 72;

/** Players on the page, so that one stops when another starts. @type {Set<HTMLAudioElement>} */
const playing = new Set();

/**
 * @param {import("./types.js").Clip} clip
 * @param {string} label what is heard
 */
export function player(clip, label) {
  const length = clip.seconds ?? 0;
  if (!clip.file) {
    const known = length ? ` (${clock(length)})` : "";
    return h("p", { class: "empty" }, `${label}: the sound${known} is not part of this site.`);
  }
  const audio = h("audio", { preload: "none", src: clip.file });
  const canvas = h("canvas", { class: "wave", height: OUTLINE + SPECTRUM });
  const time = h("span", { class: "time" }, `0:00 / ${clock(length)}`);
  const button = h("button", { type: "button", class: "play", "aria-label": `Play: ${label}` }, "\u25b6");
  const seek = h("div", {
    class: "seek",
    role: "slider",
    tabindex: "0",
    "aria-label": `Place in: ${label}`,
    "aria-valuemin": "0",
    "aria-valuemax": length.toFixed(1),
    "aria-valuenow": "0",
    "aria-valuetext": clock(0),
  });
  seek.append(canvas);
  const body = h(
    "div",
    { class: "player" },
    h("div", { class: "player-bar" }, button, h("span", { class: "player-label" }, label), time),
    seek,
    audio,
  );
  new Player(audio, canvas, seek, button, time, clip, label);
  return body;
}

class Player {
  /**
   * @param {HTMLAudioElement} audio
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} seek
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} time
   * @param {import("./types.js").Clip} clip
   * @param {string} label
   */
  constructor(audio, canvas, seek, button, time, clip, label) {
    Object.assign(this, { audio, canvas, seek, button, time, label });
    this.audio = audio;
    this.canvas = canvas;
    this.seek = seek;
    this.button = button;
    this.time = time;
    this.label = label;
    this.length = clip.seconds ?? 0;
    /** @type {import("./types.js").Picture | null} */
    this.picture = null;
    this.frame = 0;
    button.addEventListener("click", () => this.toggle());
    seek.addEventListener("pointerdown", (event) => this.grabbed(event));
    seek.addEventListener("keydown", (event) => this.pressed(event));
    audio.addEventListener("play", () => this.started());
    audio.addEventListener("pause", () => this.stopped());
    audio.addEventListener("timeupdate", () => this.moved());
    audio.addEventListener("seeked", () => this.moved());
    audio.addEventListener("error", () => this.failed());
    audio.addEventListener("loadedmetadata", () => {
      if (Number.isFinite(audio.duration)) this.length = audio.duration;
      this.moved();
    });
    new ResizeObserver(() => this.draw()).observe(seek);
    load(`clips/${clip.audio}`).then(
      (picture) => {
        this.picture = picture;
        this.length ||= picture.seconds;
        this.draw();
      },
      () => this.failed(),
    );
  }

  toggle() {
    if (!this.audio.paused) {
      this.audio.pause();
      return;
    }
    for (const other of playing) other.pause();
    this.audio.play().catch(() => this.failed());
  }

  started() {
    playing.add(this.audio);
    this.button.textContent = "\u275a\u275a";
    this.button.setAttribute("aria-label", `Pause: ${this.label}`);
    const tick = () => {
      this.draw();
      if (!this.audio.paused) this.frame = requestAnimationFrame(tick);
    };
    tick();
  }

  stopped() {
    playing.delete(this.audio);
    cancelAnimationFrame(this.frame);
    this.button.textContent = "\u25b6";
    this.button.setAttribute("aria-label", `Play: ${this.label}`);
    this.draw();
  }

  failed() {
    this.time.textContent = "the sound is not on this machine";
    this.button.disabled = true;
  }

  moved() {
    const now = this.audio.currentTime;
    this.time.textContent = `${clock(now)} / ${clock(this.length)}`;
    this.seek.setAttribute("aria-valuemax", this.length.toFixed(1));
    this.seek.setAttribute("aria-valuenow", now.toFixed(1));
    this.seek.setAttribute("aria-valuetext", clock(now));
    this.draw();
  }

  /** @param {number} seconds */
  goTo(seconds) {
    this.audio.currentTime = Math.max(0, Math.min(seconds, this.length));
    this.moved();
  }

  /** @param {PointerEvent} event */
  grabbed(event) {
    const box = this.seek.getBoundingClientRect();
    this.goTo(((event.clientX - box.left) / box.width) * this.length);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const step = { ArrowLeft: -STEP_SECONDS, ArrowRight: STEP_SECONDS }[event.key];
    if (step) this.goTo(this.audio.currentTime + step);
    else if (event.key === " ") this.toggle();
    else if (event.key === "Home") this.goTo(0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  draw() {
    const { canvas, picture } = this;
    const width = this.seek.clientWidth;
    if (!picture || !width) return;
    const scale = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round((OUTLINE + SPECTRUM) * scale);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const played = this.length ? (this.audio.currentTime / this.length) * width : 0;
    drawOutline(context, picture, width, played, style);
    drawSpectrum(context, picture, width, style);
    context.fillStyle = style.getPropertyValue("--accent");
    if (played > 0) context.fillRect(played - 0.75, 0, 1.5, OUTLINE + SPECTRUM);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./types.js").Picture} picture
 * @param {number} width
 * @param {number} played
 * @param {CSSStyleDeclaration} style
 */
function drawOutline(context, picture, width, played, style) {
  const bars = Math.min(picture.peaks.length, Math.floor(width / 3));
  const most = Math.max(...picture.peaks, 1);
  const [past, rest] = [style.getPropertyValue("--accent"), style.getPropertyValue("--wave")];
  for (let i = 0; i < bars; i++) {
    const from = Math.floor((i * picture.peaks.length) / bars);
    const to = Math.max(from + 1, Math.floor(((i + 1) * picture.peaks.length) / bars));
    const tall = Math.max(1.5, (Math.max(...picture.peaks.slice(from, to)) / most) * (OUTLINE - 8));
    const x = (i * width) / bars;
    context.fillStyle = x < played ? past : rest;
    context.fillRect(x, (OUTLINE - tall) / 2, Math.max(1, width / bars - 1), tall);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./types.js").Picture} picture
 * @param {number} width
 * @param {CSSStyleDeclaration} style
 */
function drawSpectrum(context, picture, width, style) {
  const columns = Math.floor(picture.spectrum.length / picture.bands);
  if (!columns) return;
  const image = new ImageData(columns, picture.bands);
  const [low, high] = ["--spectrum-low", "--spectrum-high"].map((name) => rgb(style.getPropertyValue(name)));
  for (let x = 0; x < columns; x++) {
    for (let band = 0; band < picture.bands; band++) {
      const level = (picture.spectrum[x * picture.bands + band] / 15) ** 1.3;
      const at = 4 * ((picture.bands - 1 - band) * columns + x);
      for (let c = 0; c < 3; c++) image.data[at + c] = low[c] + level * (high[c] - low[c]);
      image.data[at + 3] = 255;
    }
  }
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = picture.bands;
  /** @type {CanvasRenderingContext2D} */ (small.getContext("2d")).putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, OUTLINE, width, SPECTRUM);
}

/** `#rrggbb` as three numbers. @param {string} colour */
function rgb(colour) {
  const number = Number.parseInt(colour.trim().slice(1), 16) || 0;
  return [number >> 16, (number >> 8) & 255, number & 255];
}
