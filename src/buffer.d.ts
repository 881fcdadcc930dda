/** Methods that every Node Buffer has and @types/node does not list: the shortest way between bytes and latin1. */
declare global {
  interface Buffer {
    latin1Slice(start: number, end: number): string;
    latin1Write(text: string, offset: number, length: number): number;
  }
}
export {};
