// What an edit changed, line by line.

/** Lines of one text times lines of the other that are compared; beyond, what differs is told as a whole. */
const MAX_COMPARED = 4_000_000;

/** `[{sign, before, after, text}]` from first to last: `' '` is in both, `'-'` was, `'+'` is; with line numbers from 1. */
export function difference(before, after) {
  const [a, b] = [before.split('\n'), after.split('\n')];
  let [head, foot] = [0, 0];
  while (head < Math.min(a.length, b.length) && a[head] === b[head]) head += 1;
  while (foot < Math.min(a.length, b.length) - head && a.at(-1 - foot) === b.at(-1 - foot)) foot += 1;
  const [ends, starts] = [[a.length - foot, b.length - foot], [head, head]];
  const kept = (from, to, shift) => a.slice(from, to).map((text, at) => ({ sign: ' ', before: from + at + 1, after: from + at + 1 + shift, text }));
  return [...kept(0, head, 0), ...middle(a, b, starts, ends), ...kept(ends[0], a.length, b.length - a.length)];
}

function middle(a, b, [i0, j0], [iEnd, jEnd]) {
  const lines = [];
  const was = (i) => lines.push({ sign: '-', before: i + 1, text: a[i] });
  const is = (j) => lines.push({ sign: '+', after: j + 1, text: b[j] });
  let [i, j] = [i0, j0];
  const wide = jEnd - j0 + 1;
  if ((iEnd - i0) * (jEnd - j0) <= MAX_COMPARED) {
    // The longest run of lines that are in both, from each pair of places to the end.
    const longest = new Uint32Array((iEnd - i0 + 1) * wide);
    const at = (p, q) => (p - i0) * wide + (q - j0);
    for (let p = iEnd - 1; p >= i0; p--) {
      for (let q = jEnd - 1; q >= j0; q--) {
        longest[at(p, q)] = a[p] === b[q] ? longest[at(p + 1, q + 1)] + 1 : Math.max(longest[at(p + 1, q)], longest[at(p, q + 1)]);
      }
    }
    while (i < iEnd && j < jEnd) {
      if (a[i] === b[j]) lines.push({ sign: ' ', before: i + 1, after: j + 1, text: a[i++] }), j++;
      else if (longest[at(i + 1, j)] >= longest[at(i, j + 1)]) was(i++);
      else is(j++);
    }
  }
  while (i < iEnd) was(i++);
  while (j < jEnd) is(j++);
  return lines;
}

/** Of a difference what changed, with so many lines around it; `undefined` stands for what is left out. */
export function around(lines, near) {
  const isNear = lines.map(() => false);
  lines.forEach(({ sign }, at) => sign !== ' ' && isNear.fill(true, Math.max(0, at - near), at + near + 1));
  return lines.flatMap((line, at) => (isNear[at] ? [line] : at > 0 && isNear[at - 1] && isNear.indexOf(true, at) > 0 ? [undefined] : []));
}
