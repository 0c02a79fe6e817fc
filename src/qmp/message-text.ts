/** Lines as the server sends them. */
import { writeJson, writeJsonPretty } from './json-writer.ts';
import type { QmpEvent } from './target.ts';

/** Every line ends in CR LF; libvirt waits for both bytes. */
export function messageText(message: unknown, pretty: boolean): string {
  return pretty ? `${writeJsonPretty(message).replaceAll('\n', '\r\n')}\r\n` : `${writeJson(message)}\r\n`;
}

/** One event goes to many sessions: it is written once per form. */
const compactTexts = new WeakMap<QmpEvent, string>();
const prettyTexts = new WeakMap<QmpEvent, string>();

/** An event's line. */
export function eventText(event: QmpEvent, pretty: boolean): string {
  const texts = pretty ? prettyTexts : compactTexts;
  const known = texts.get(event);
  if (known !== undefined) return known;
  const { seconds, microseconds } = event.timestamp;
  const text = messageText({ timestamp: { seconds, microseconds }, event: event.event, data: event.data }, pretty);
  texts.set(event, text);
  return text;
}
