// What crosses between plugin and host, as bytes of the plugin's memory: lists that the host puts there, and results
// that it reads. The only file that knows how blocks are owned.

/** Bytes in front of a block that came in: the address of the one before it, padded to what every type aligns to. */
const HEADER: usize = 16;

/** The block that came in last; 0 when there is none. */
let lastIncoming: usize = 0;

/** Where the host asks for memory, before a call and for what `emit` returns. It never makes a block larger. */
export function cabi_realloc(_block: usize, _size: usize, _align: usize, wanted: usize): usize {
  const block = heap.alloc(HEADER + wanted);
  store<usize>(block, lastIncoming);
  lastIncoming = block;
  return block + HEADER;
}

/** Work since the garbage was last collected, in items that were looked at or said. */
let items: i32 = 0;

/** Pages of memory right after that. */
let pages: i32 = 0;

/** Items after which garbage is collected: some megabytes of it, when each makes a hundred bytes. */
const COLLECT_ITEMS: i32 = 65_536;

/** Notes that this many samples, events or entries were looked at. */
export function worked(count: i32): void {
  items += count;
}

/**
 * Ends a call: the blocks that came in are let go. Garbage is collected only here, where nothing of the plugin is on the
 * stack, and only when there may be much of it.
 */
export function endCall(): void {
  while (lastIncoming != 0) {
    const before = load<usize>(lastIncoming);
    heap.free(lastIncoming);
    lastIncoming = before;
  }
  if (items >= COLLECT_ITEMS || memory.size() > pages) {
    __collect();
    items = 0;
    pages = memory.size();
  }
}

/** The text whose UTF-8 bytes lie there. */
export function textAt(block: usize, bytes: u32): string {
  return String.UTF8.decodeUnsafe(block, bytes);
}

/** The text whose address and length lie there. */
export function loadText(at: usize): string {
  return textAt(load<u32>(at), load<u32>(at, 4));
}

/** A copy of the bytes that lie there. */
export function copyOf(block: usize, length: u32): StaticArray<u8> {
  const bytes = new StaticArray<u8>(length);
  memory.copy(changetype<usize>(bytes), block, length);
  return bytes;
}

/** A copy of the bytes whose address and length lie there. */
export function loadBytes(at: usize): StaticArray<u8> {
  return copyOf(load<u32>(at), load<u32>(at, 4));
}

/** A growing run of bytes that is read by the host and then filled anew. */
@final
export class Outgoing {
  private block: usize = 0;
  private capacity: usize = 0;
  length: usize = 0;

  /** Empties it and makes room for this many bytes: what it handed out before stays where it is until then. */
  begin(bytes: usize): void {
    this.length = 0;
    if (bytes <= this.capacity) return;
    if (this.block != 0) heap.free(this.block);
    this.block = heap.alloc(bytes);
    this.capacity = bytes;
  }

  /** Takes the next bytes, aligned for every type. */
  take(bytes: usize): usize {
    const at = this.block + this.length;
    this.length += aligned(bytes);
    return at;
  }
}

/** Bytes rounded up to what every type aligns to. */
export function aligned(bytes: usize): usize {
  return (bytes + 7) & ~7;
}

/** Bytes of a text as UTF-8. */
export function textBytes(text: string): usize {
  return String.UTF8.byteLength(text);
}

/** Puts a text into `out`, and its address and length at `at`. */
export function storeText(out: Outgoing, at: usize, text: string): void {
  const bytes = textBytes(text);
  const block = out.take(bytes);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, block);
  store<u32>(at, block);
  store<u32>(at, bytes, 4);
}

/** Puts bytes into `out`, and their address and length at `at`. */
export function storeBytes(out: Outgoing, at: usize, bytes: StaticArray<u8>): void {
  const block = out.take(bytes.length);
  memory.copy(block, changetype<usize>(bytes), bytes.length);
  store<u32>(at, block);
  store<u32>(at, bytes.length, 4);
}
