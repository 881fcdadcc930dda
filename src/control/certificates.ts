/** Keeps the gateway's certificates as their files are. */
import type { ServerTlsSpec, Snapshot } from '../snapshot.ts';
import { CertificateWatch } from './certificate-watch.ts';

/** PEM texts of one `tls` entry, by its place and its listener's. Throws on those that cannot be used. */
export type ReloadTls = (
  listener: number,
  entry: number,
  texts: { readonly certificate: string; readonly key: string; readonly clientCa: string | null },
) => void;

/** Watches from now on; `stop` ends it. `tell` hears of each change, and of what is wrong with one. */
export function watchCertificates(
  { listeners }: Snapshot,
  reload: ReloadTls,
  tell: { info(message: string): void; warn(message: string): void },
): { stop(): void } {
  const watches = listeners.flatMap(({ name, tls }, listener) =>
    tls.map((spec, entry) => {
      const { files, names } = spec;
      const what = `${name}: certificate for ${names.join(', ')}`;
      let known: ServerTlsSpec | null = spec;
      const changed = (texts: ReadonlyMap<string, string>): void => {
        const certificate = texts.get(files.certificate)!;
        const key = texts.get(files.key)!;
        const clientCa = files.clientCa === null ? null : texts.get(files.clientCa)!;
        const same = known?.certificate === certificate && known.key === key && known.clientCa === clientCa;
        known = null;
        if (same) return;
        reload(listener, entry, { certificate, key, clientCa });
        tell.info(`${what} read again`);
      };
      const wrong = (error: Error): void => tell.warn(`${what} stays as it was: ${error.message}`);
      const paths = [files.certificate, files.key, ...(files.clientCa === null ? [] : [files.clientCa])];
      return new CertificateWatch(paths, changed, wrong);
    }),
  );
  for (const watch of watches) watch.start();
  return { stop: () => watches.forEach((watch) => watch.stop()) };
}
