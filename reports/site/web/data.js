/**
 * Loading chunks. They are scripts, since a page that was opened from disk may fetch nothing; each calls
 * `facEval.put` with its name and its content, compressed.
 */

/** @typedef {{resolve: (value: any) => void, reject: (reason: Error) => void}} Waiting */

const ADDRESS = /^data\/[a-z0-9/-]+\.js(\?v=[a-z0-9]*)?$/;
const KEPT_PAGES = 60;

/** @type {Map<string, Waiting[]>} */
const waiting = new Map();
/** @type {Map<string, Promise<any>>} */
const known = new Map();
let build = "";

/** The one policy by which a text becomes the address of a script: a chunk of ours. */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("fac-eval", {
  /** @param {string} address */
  createScriptURL(address) {
    if (!ADDRESS.test(address)) throw new TypeError("not a chunk of this site");
    return address;
  },
});

/** @type {any} */ (globalThis).facEval = Object.freeze({
  /** @param {string} name @param {string} packed */
  put(name, packed) {
    const asked = waiting.get(name) ?? [];
    waiting.delete(name);
    inflate(packed).then(
      (data) => asked.forEach((one) => one.resolve(data)),
      (error) => asked.forEach((one) => one.reject(error)),
    );
  },
});

/** @param {string} packed @returns {Promise<any>} */
async function inflate(packed) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old to read the data (it lacks DecompressionStream)");
  }
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

/** @param {string} name @param {string} version @returns {Promise<any>} */
function request(name, version) {
  return new Promise((resolve, reject) => {
    const asked = waiting.get(name);
    if (asked) {
      asked.push({ resolve, reject });
      return;
    }
    waiting.set(name, [{ resolve, reject }]);
    const script = document.createElement("script");
    const address = `data/${name}.js${version ? `?v=${version}` : ""}`;
    script.src = policy ? policy.createScriptURL(address) : address;
    const settle = () => {
      script.remove();
      const left = waiting.get(name);
      waiting.delete(name);
      left?.forEach((one) => one.reject(new Error(`the data of ${name} could not be loaded`)));
    };
    script.addEventListener("load", settle);
    script.addEventListener("error", settle);
    document.head.append(script);
  });
}

/**
 * A chunk of the site as it was first loaded, kept once it is here.
 *
 * @param {string} name
 * @returns {Promise<any>}
 */
export function load(name) {
  let found = known.get(name);
  if (!found) {
    found = request(name, build);
    known.set(name, found);
    found.catch(() => known.delete(name));
    forgetOldPages();
  }
  return found;
}

/** Pages of samples are large and quickly loaded again; everything else stays. */
function forgetOldPages() {
  const pages = [...known.keys()].filter((name) => name.includes("/samples-"));
  for (const name of pages.slice(0, Math.max(0, pages.length - KEPT_PAGES))) known.delete(name);
}

/**
 * The overview as it is now; chunks loaded from here on fit it.
 *
 * @returns {Promise<import("./types.js").Site>}
 */
export async function loadSite() {
  const first = document.documentElement.dataset.build ?? "";
  const site = await request("site", build ? "" : first);
  if (site.build !== build) {
    known.clear();
    build = site.build;
  }
  const names = site.tasks.map((/** @type {any} */ task) => task.name);
  site.tasks.forEach((/** @type {import("./types.js").Task} */ task, /** @type {number} */ number) => {
    task.number = number;
    const alone = names.indexOf(task.name) === names.lastIndexOf(task.name);
    task.key = alone ? task.name : `${task.name}@${task.variant}`;
  });
  return site;
}

/** @returns {Promise<import("./types.js").Live>} */
export function loadLive() {
  return request("live", "");
}
