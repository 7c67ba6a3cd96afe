// Asks /api/v1. With a token where one was given: it is kept as long as the tab is open, and nowhere else.

const BASE = new URL('../api/v1/', document.baseURI);
const KEY = 'orion-token';

/** What was answered is no answer. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Told when a token is needed, or the one that was given does not hold. */
export const needsToken = { tell: () => {} };

/** An answer that is not read yet. */
export async function ask(path, params = {}, { signal, headers = {} } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
  }
  const bearer = token.get();
  const head = bearer ? { ...headers, Authorization: `Bearer ${bearer}` } : headers;
  let answer;
  try {
    answer = await fetch(url, { headers: head, signal, credentials: 'same-origin' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'Orion does not answer');
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const refused = new Refused(answer.status, problem.detail ?? answer.statusText);
  if (answer.status === 401) needsToken.tell(refused.message);
  throw refused;
}

/** What was answered. */
export const get = async (path, params, options) => (await ask(path, params, options)).json();

/** All items of a list, page by page, told as they come. */
export async function all(path, params, options, tell = () => {}) {
  const items = [];
  let cursor;
  do {
    const page = await get(path, { limit: 500, ...params, cursor }, options);
    items.push(...page.items);
    tell(items);
    cursor = page.next;
  } while (cursor);
  return items;
}
