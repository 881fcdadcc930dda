import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mistakeInUpstream, upstreamWith } from './one-upstream.ts';

const fixture = (name: string): string => readFileSync(new URL(`../support/tls/${name}`, import.meta.url), 'utf8');
const [ca, certificate, key] = [fixture('ca.pem'), fixture('client.pem'), fixture('client.key')];

/** A key of 512 bits, from the days when that was a lock. */
const WEAK_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBdzCCASGgAwIBAgIUEdV7TKZJ1ubaqCIg/FwLljY+aIQwDQYJKoZIhvcNAQEL
BQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjExMjExMzA5NTJaGA8yMTI2MTAyODEz
MDk1MlowDzENMAsGA1UEAwwEd2VhazBcMA0GCSqGSIb3DQEBAQUAA0sAMEgCQQDO
y1510QdM1eA6iCp000gPU8M+I7PeRCLdGcnTnCd2UZA7UjmJ8ML4ZmEmHKsgyQ13
yDeyUtS3RNrODarICGwxAgMBAAGjUzBRMB0GA1UdDgQWBBQIbO1biqqlRXiCmzWu
7D7zGfLkWzAfBgNVHSMEGDAWgBQIbO1biqqlRXiCmzWu7D7zGfLkWzAPBgNVHRMB
Af8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA0EAflNosn3E7x3k06YRsO7IcZ4oa9Lb
NZ3gdJupMCrq6QyLMFzTLnqSTo1W9dI9nr0ZmB9T1kr12G3bKMESjjDu4g==
-----END CERTIFICATE-----
`;
const WEAK_KEY = `-----BEGIN PRIVATE KEY-----
MIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEAzsteddEHTNXgOogq
dNNID1PDPiOz3kQi3RnJ05wndlGQO1I5ifDC+GZhJhyrIMkNd8g3slLUt0Tazg2q
yAhsMQIDAQABAkBRm5I4fngaC2FE2A2hMuwCGHU5ZY+LDGqRxKaQWtR77ThSVeVp
AQ8/AsWzJNH12DvKDfe2w1+PjgLLoOYts5ABAiEA81a+8DeVQ+gvZtnNq/XzzeSe
lnEqLK4609Facw3iJzECIQDZjdqlVl8YyxWz1TT7ow5TW9VeLSTA1M9dzwrMwpNV
AQIhALiaWGP4Zt6LaFqIZUVNY1YRWFYdJ7eZvbsvmYSrRaQhAiEAzXiNvcRikp8U
Q0GmBdgNqqs8TPMkGD+mDnqCP7uxvQECIGyvIpVRO8Bw4EmaWBYDGEmBIuooq/Y7
7zq01Vu07fvk
-----END PRIVATE KEY-----
`;

const folder = mkdtempSync(join(tmpdir(), 'frameway-tls-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'f.yaml');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
mkdirSync(join(folder, 'pki'));
const files: Readonly<Record<string, string>> = {
  'ca.pem': ca,
  'pki/c.pem': certificate,
  'k.pem': key,
  'bundle.pem': `# two authorities\n${ca}\n${fixture('other-ca.pem')}`,
  'both.pem': `${key}${certificate}`,
  'other.pem': fixture('server.key'),
  'rsa.pem': rsa.export({ type: 'pkcs8', format: 'pem' }).toString(),
  'locked.pem': rsa.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' }).toString(),
  'old-locked.pem': rsa.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' }).toString(),
  'broken.pem': `${ca}\n${certificate.replace(/\n[^\n]{20}/, '\nAAAAAAAAAAAAAAAAAAAA')}`,
  'weak.pem': WEAK_CERTIFICATE,
  'weak-key.pem': WEAK_KEY,
  'empty.pem': '',
};
for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);

const mistake = (line: string) => mistakeInUpstream(line, file);
const PLAIN = { ca: null, certificate: null, key: null, serverName: '', verify: true };

test('TLS is off until it is asked for, and needs nothing more', () => {
  assert.equal(upstreamWith('').tls, null);
  assert.deepEqual(upstreamWith('tls: on').tls, PLAIN);
  assert.deepEqual(upstreamWith('tls: {}').tls, PLAIN);
});

test('the snapshot holds the texts of files, which are looked for beside the configuration', () => {
  const line = 'tls: {ca: ca.pem, certificate: pki/c.pem, key: k.pem, server_name: asr.internal, verify: false}';
  assert.deepEqual(upstreamWith(line, file).tls, { ca, certificate, key, serverName: 'asr.internal', verify: false });
  assert.deepEqual(upstreamWith(`tls: {ca: ${join(folder, 'ca.pem')}}`).tls, { ...PLAIN, ca });
});

test('a file may hold several authorities, or a certificate beside its key', () => {
  assert.equal(upstreamWith('tls: {ca: bundle.pem}', file).tls?.ca, files['bundle.pem']);
  const { tls } = upstreamWith('tls: {certificate: both.pem, key: both.pem}', file);
  assert.deepEqual([tls?.certificate, tls?.key], [files['both.pem'], files['both.pem']]);
});

test('a file that cannot be read is reported at its key, with where it was looked for', () => {
  assert.equal(
    mistake('tls: {ca: none.pem}'),
    `15: tls.ca: "none.pem" cannot be read: there is no such file (${join(folder, 'none.pem')})`,
  );
  assert.equal(
    mistake('tls: {ca: pki}'),
    `15: tls.ca: "pki" cannot be read: it is a directory (${join(folder, 'pki')})`,
  );
  assert.equal(mistake('tls: {ca: ""}'), '15: tls.ca: "" is not a file (its path)');
  assert.equal(mistake('tls: {ca: [ca.pem]}'), '15: tls.ca: a list is not a file (its path)');
});

test('a file that does not hold what it should is reported at its key, and never quoted', () => {
  const none = 'holds no certificate (PEM, with BEGIN CERTIFICATE)';
  const noKey = 'holds no private key (PEM, with BEGIN PRIVATE KEY)';
  assert.equal(mistake('tls: {ca: k.pem}'), `15: tls.ca: "k.pem" ${none}`);
  assert.equal(mistake('tls: {ca: empty.pem}'), `15: tls.ca: "empty.pem" ${none}`);
  assert.equal(
    mistake('tls: {ca: broken.pem}'),
    '15: tls.ca: "broken.pem" holds a broken certificate (number 2 in the file)',
  );
  assert.equal(mistake('tls: {certificate: k.pem, key: k.pem}'), `24: tls.certificate: "k.pem" ${none}`);
  assert.equal(mistake('tls: {certificate: pki/c.pem, key: ca.pem}'), `40: tls.key: "ca.pem" ${noKey}`);
  for (const name of ['locked.pem', 'old-locked.pem']) {
    assert.equal(
      mistake(`tls: {certificate: pki/c.pem, key: ${name}}`),
      `40: tls.key: "${name}" holds an encrypted key (one without a passphrase)`,
    );
  }
});

test('a certificate and its key come together and belong together', () => {
  assert.equal(mistake('tls: {certificate: pki/c.pem}'), '24: tls.certificate: has no key (key: FILE)');
  assert.equal(mistake('tls: {key: k.pem}'), '16: tls.key: has no certificate (certificate: FILE)');
  for (const name of ['other.pem', 'rsa.pem']) {
    assert.equal(
      mistake(`tls: {certificate: pki/c.pem, key: ${name}}`),
      '40: tls.key: is not the key of the certificate (they are a pair)',
    );
  }
});

test('a certificate that OpenSSL would not use is a mistake now, not at the first call', () => {
  assert.match(
    mistake('tls: {certificate: weak.pem, key: weak-key.pem}'),
    /^24: tls\.certificate: is not accepted \(.*key too small\)$/,
  );
});

test('a server name is a name', () => {
  const form = 'a host name like asr.internal, not an address';
  for (const name of ['10.0.0.1', '::1', 'a b', 'asr:9001', '']) {
    assert.equal(
      mistake(`tls: {server_name: "${name}"}`),
      `24: tls.server_name: "${name}" is not a server name (${form})`,
    );
  }
});

test('TLS itself, and its keys, are checked like everything else', () => {
  assert.equal(mistake('tls: yes'), '10: tls: "yes" is not a map (key: value, one a line; or on or off)');
  assert.equal(
    mistake('tls: {cert: x}'),
    '11: tls.cert: unknown key (known: ca, certificate, key, server_name, verify)',
  );
  assert.equal(mistake('tls: {verify: no}'), '19: tls.verify: "no" is not a boolean (true or false)');
});

test('a socket in the file system needs to be told what its certificate is for', () => {
  const endpoints = '["unix:/run/asr.sock", "a:1"]';
  assert.equal(
    mistakeInUpstream('tls: on', 'f.yaml', endpoints).replace('f.yaml:6:', ''),
    '17: endpoints[0]: has no name that a certificate could bear (tls.server_name says it)',
  );
  for (const tls of ['off', '{server_name: asr}', '{verify: false}']) {
    assert.equal(upstreamWith(`tls: ${tls}`, 'f.yaml', endpoints).endpoints.length, 2, tls);
  }
});
