/**
 * Listens to 16-bit mono PCM and writes down what it hears: not words, for there is no model here, but one syllable for
 * each sixth of a second of voice, spelt by its loudness and pitch, and a space for each pause. The same audio always
 * gives the same text, however it was cut into chunks, so a byte lost, doubled or displaced on the way shows.
 */
const FRAME_MS = 20;
const FRAMES_PER_SYLLABLE = 8;
const FRAMES_PER_PAUSE = 6;
/** RMS under which a frame is silence, of a full scale of 1. */
const VOICED_RMS = 0.02;
/** A call may last for hours, but each partial carries the text. */
const MAX_TEXT = 4096;

/** From soft to loud, by steps of 3 dB. */
const CONSONANTS = ['w', 'm', 'n', 'l', 'd', 'b', 't', 'k'];
/** Zero crossings a second, an upper bound for each vowel. */
const VOWELS: readonly (readonly [number, string])[] = [
  [600, 'u'],
  [900, 'i'],
  [1100, 'e'],
  [1350, 'o'],
  [Infinity, 'a'],
];

export class Transcriber {
  /** RMS of the last audio heard, 0 to 1. */
  level = 0;
  private readonly sampleRate: number;
  private readonly frameSamples: number;
  private written = '';
  private samples = 0;
  private voicedFrames = 0;
  /** The first byte of a sample whose second is still to come. */
  private oddByte: number | null = null;

  private frame = { samples: 0, energy: 0, crossings: 0 };
  private syllable = { frames: 0, energy: 0, crossings: 0 };
  private silentFrames = 0;
  private negative = false;

  constructor(sampleRate: number) {
    this.sampleRate = sampleRate;
    this.frameSamples = Math.round((sampleRate * FRAME_MS) / 1000);
  }
  get text(): string {
    return this.written.trimEnd();
  }
  get receivedMs(): number {
    return Math.floor((this.samples * 1000) / this.sampleRate);
  }
  get voicedMs(): number {
    return this.voicedFrames * FRAME_MS;
  }

  hear(audio: Buffer): void {
    let energy = 0;
    let count = 0;
    let at = 0;
    const next = (sample: number): void => {
      energy += sample * sample;
      count++;
      this.add(sample);
    };
    if (this.oddByte !== null && audio.length > 0) {
      next(Buffer.of(this.oddByte, audio[at++]!).readInt16LE() / 32768);
      this.oddByte = null;
    }
    for (; at + 1 < audio.length; at += 2) next(audio.readInt16LE(at) / 32768);
    if (at < audio.length) this.oddByte = audio[at]!;
    this.samples += count;
    this.level = count === 0 ? 0 : Math.sqrt(energy / count);
  }

  private add(sample: number): void {
    const { frame } = this;
    frame.energy += sample * sample;
    if (sample < 0 !== this.negative) {
      this.negative = !this.negative;
      frame.crossings++;
    }
    if (++frame.samples < this.frameSamples) return;
    const energy = frame.energy / frame.samples;
    if (Math.sqrt(energy) > VOICED_RMS) this.voiced(energy, frame.crossings);
    else this.silent();
    this.frame = { samples: 0, energy: 0, crossings: 0 };
  }

  private voiced(energy: number, crossings: number): void {
    const { syllable } = this;
    this.silentFrames = 0;
    this.voicedFrames++;
    syllable.energy += energy;
    syllable.crossings += crossings;
    if (++syllable.frames === FRAMES_PER_SYLLABLE) this.spell();
  }

  private silent(): void {
    // What is too short for half a syllable was a click.
    if (this.syllable.frames >= FRAMES_PER_SYLLABLE / 2) this.spell();
    this.syllable = { frames: 0, energy: 0, crossings: 0 };
    if (++this.silentFrames === FRAMES_PER_PAUSE && this.written !== '') this.written += ' ';
  }

  private spell(): void {
    const { frames, energy, crossings } = this.syllable;
    const decibels = 10 * Math.log10(energy / frames);
    const loudness = Math.max(0, Math.min(CONSONANTS.length - 1, Math.floor(CONSONANTS.length + decibels / 3 + 2)));
    const pitch = crossings / ((frames * FRAME_MS) / 1000);
    const vowel = VOWELS.find(([bound]) => pitch < bound)![1];
    this.written = (this.written + CONSONANTS[loudness]! + vowel).slice(-MAX_TEXT);
    this.syllable = { frames: 0, energy: 0, crossings: 0 };
  }
}
