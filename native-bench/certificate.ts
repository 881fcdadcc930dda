import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { which } from './child.ts';

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate for 127.0.0.1 and its key, as files in the folder, made on the first call. */
export function certificateIn(folder: string): Certificate {
  const certificate = join(folder, 'certificate.pem');
  // Where HAProxy looks for the key of a certificate.
  const key = `${certificate}.key`;
  if (!existsSync(certificate)) {
    const openssl = which('openssl');
    if (openssl === undefined) throw new Error('openssl not found: Debian package openssl');
    execFileSync(
      openssl,
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
        ...['-keyout', key, '-out', certificate],
      ],
      { stdio: 'pipe' },
    );
  }
  return { certificate, key };
}
