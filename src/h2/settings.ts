/** SETTINGS (RFC 9113 section 6.5): what each side allows the other. */
import { ErrorCode } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import { readUint32 } from './frame.ts';

export const SettingId = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  /** RFC 8441 section 3. */
  ENABLE_CONNECT_PROTOCOL: 0x8,
} as const;

export const DEFAULT_WINDOW = 65_535;
export const DEFAULT_FRAME_SIZE = 16_384;
export const MAX_WINDOW = 0x7fffffff;
const MAX_FRAME_SIZE = 0xffffff;

/** More settings than this in one frame are not a configuration but a flood. */
export const MAX_SETTINGS_A_FRAME = 32;

/** The peer's settings as they stand. Before its first SETTINGS we open at most 100 streams. */
export class PeerSettings {
  headerTableSize = 4096;
  maxConcurrentStreams = 100;
  initialWindowSize = DEFAULT_WINDOW;
  maxFrameSize = DEFAULT_FRAME_SIZE;
  maxHeaderListSize = Infinity;
  enableConnectProtocol = false;
  received = false;

  /** Takes over the payload of a SETTINGS frame; returns the connection error that it amounts to, or NO_ERROR. */
  apply(payload: Uint8Array, start: number, end: number, fromServer: boolean): ErrorCode {
    const length = end - start;
    if (length % 6 !== 0) return ErrorCode.FRAME_SIZE_ERROR;
    if (length / 6 > MAX_SETTINGS_A_FRAME) return ErrorCode.ENHANCE_YOUR_CALM;
    // The absence of the setting in the first frame means that there is no limit.
    if (!this.received) this.maxConcurrentStreams = Infinity;
    this.received = true;
    for (let at = start; at < end; at += 6) {
      const error = this.set((payload[at]! << 8) | payload[at + 1]!, readUint32(payload, at + 2), fromServer);
      if (error !== ErrorCode.NO_ERROR) return error;
    }
    return ErrorCode.NO_ERROR;
  }

  /** Whether the peer takes a header list of this size: it is advice, but one that some engines enforce on the connection. */
  accepts(fields: readonly Field[]): boolean {
    if (this.maxHeaderListSize === Infinity) return true;
    let size = 0;
    for (let i = 0; i < fields.length; i++) size += fields[i]!.size;
    return size <= this.maxHeaderListSize;
  }

  private set(id: number, value: number, fromServer: boolean): ErrorCode {
    switch (id) {
      case SettingId.HEADER_TABLE_SIZE:
        this.headerTableSize = value;
        break;
      case SettingId.ENABLE_PUSH:
        // "A server MUST NOT explicitly set this value to 1" (section 6.5.2)
        if (value > 1 || (fromServer && value !== 0)) return ErrorCode.PROTOCOL_ERROR;
        break;
      case SettingId.MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        break;
      case SettingId.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) return ErrorCode.FLOW_CONTROL_ERROR;
        this.initialWindowSize = value;
        break;
      case SettingId.MAX_FRAME_SIZE:
        if (value < DEFAULT_FRAME_SIZE || value > MAX_FRAME_SIZE) return ErrorCode.PROTOCOL_ERROR;
        this.maxFrameSize = value;
        break;
      case SettingId.MAX_HEADER_LIST_SIZE:
        this.maxHeaderListSize = value;
        break;
      case SettingId.ENABLE_CONNECT_PROTOCOL:
        // "A sender MUST NOT send a SETTINGS_ENABLE_CONNECT_PROTOCOL parameter with the value of 0 after previously sending a value of 1."
        if (value > 1 || (value === 0 && this.enableConnectProtocol)) return ErrorCode.PROTOCOL_ERROR;
        this.enableConnectProtocol = value === 1;
        break;
      default: // "An endpoint that receives a SETTINGS frame with any unknown identifier MUST ignore that setting."
    }
    return ErrorCode.NO_ERROR;
  }
}
