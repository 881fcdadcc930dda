import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { listenerWith, mistakeInListener } from './one-upstream.ts';

/** A configuration that would stand beside the fixtures. */
const file = fileURLToPath(new URL('../support/tls/f.yaml', import.meta.url));
const folder = dirname(file);
const fixture = (name: string): string => readFileSync(join(folder, name), 'utf8');

const PAIR = 'certificate: server.pem, key: server.key';
const tls = (entries: string) => listenerWith(`tls: [${entries}]`, file).tls;
const mistake = (entries: string) => mistakeInListener(`tls: [${entries}]`, file);

const PLAIN = {
  names: ['*'],
  certificate: fixture('server.pem'),
  key: fixture('server.key'),
  clientCa: null,
  clientCertificate: 'off',
  minVersion: 'TLSv1.2',
  files: { certificate: join(folder, 'server.pem'), key: join(folder, 'server.key'), clientCa: null },
};

test('a certificate and its key are enough: any name, TLS 1.2, no client certificates', () => {
  assert.deepEqual(tls(`{${PAIR}}`), [PLAIN]);
});

test('several names have entries of their own, in the order of the file', () => {
  const other = '{names: ["*.Asr.Example", asr.example.], certificate: other-name.pem, key: other-name.key}';
  const [first, second] = tls(`${other}, {${PAIR}, min_version: 1.3}`);
  assert.deepEqual(first?.names, ['*.asr.example', 'asr.example']);
  assert.equal(first.certificate, fixture('other-name.pem'));
  assert.deepEqual(second, { ...PLAIN, minVersion: 'TLSv1.3' });
  assert.equal(tls(`{${PAIR}, min_version: "1.2"}`)[0]?.minVersion, 'TLSv1.2');
});

test('whoever trusts authorities requires certificates, unless it says otherwise', () => {
  const withCa = (more: string) => tls(`{${PAIR}, client_ca: ca.pem${more}}`)[0];
  const trusting = {
    ...PLAIN,
    clientCa: fixture('ca.pem'),
    files: { ...PLAIN.files, clientCa: join(folder, 'ca.pem') },
  };
  assert.deepEqual(withCa(''), { ...trusting, clientCertificate: 'required' });
  assert.deepEqual(withCa(', client_certificate: required'), { ...trusting, clientCertificate: 'required' });
  assert.deepEqual(withCa(', client_certificate: optional'), { ...trusting, clientCertificate: 'optional' });
  assert.deepEqual(withCa(', client_certificate: off'), PLAIN);
  assert.deepEqual(tls(`{${PAIR}, client_certificate: off}`), [PLAIN]);
});

test('without authorities no client certificate can be asked for', () => {
  for (const wanted of ['optional', 'required']) {
    assert.equal(
      mistake(`{${PAIR}, client_certificate: ${wanted}}`),
      `74: tls[0].client_certificate: ${wanted}, but no authority is trusted (client_ca: FILE)`,
    );
  }
});

test('files are checked like those of an upstream', () => {
  const cases: Readonly<Record<string, string>> = {
    '{key: server.key}': '11: tls[0].certificate: is missing (PEM file: certificate, with its chain)',
    '{certificate: server.pem}': '11: tls[0].key: is missing (PEM file: its private key)',
    '{certificate: none.pem, key: server.key}': `25: tls[0].certificate: "none.pem" cannot be read: there is no such file (${join(folder, 'none.pem')})`,
    '{certificate: server.key, key: server.key}':
      '25: tls[0].certificate: "server.key" holds no certificate (PEM, with BEGIN CERTIFICATE)',
    '{certificate: server.pem, key: server.pem}':
      '42: tls[0].key: "server.pem" holds no private key (PEM, with BEGIN PRIVATE KEY)',
    '{certificate: server.pem, key: other-name.key}':
      '42: tls[0].key: is not the key of the certificate (they are a pair)',
    [`{${PAIR}, client_ca: server.key}`]:
      '65: tls[0].client_ca: "server.key" holds no certificate (PEM, with BEGIN CERTIFICATE)',
    [`{${PAIR}, client_ca: ""}`]: '65: tls[0].client_ca: "" is not a file (its path)',
  };
  for (const [entry, right] of Object.entries(cases)) assert.equal(mistake(entry), right);
});

test('what is not known is reported with what is', () => {
  const cases: Readonly<Record<string, string>> = {
    [`{${PAIR}, min_version: 1.1}`]: '67: tls[0].min_version: "1.1" is not known here (did you mean 1.2?)',
    [`{${PAIR}, min_version: TLSv1.3}`]: '67: tls[0].min_version: "TLSv1.3" is not known here (known: 1.2, 1.3)',
    [`{${PAIR}, client_certificate: on}`]:
      '74: tls[0].client_certificate: "on" is not known here (known: off, optional, required)',
    [`{${PAIR}, name: a}`]: '54: tls[0].name: unknown key (did you mean names?)',
    [`{names: asr.example, ${PAIR}}`]: '19: tls[0].names: "asr.example" is not a list (did you mean ["asr.example"]?)',
    [`{names: [], ${PAIR}}`]: '19: tls[0].names: the list is empty (at least one server name)',
  };
  for (const [entry, right] of Object.entries(cases)) assert.equal(mistake(entry), right);
  assert.equal(mistakeInListener(`tls: {${PAIR}}`, file), '10: tls: a map is not a list ([a, b], or - a, one a line)');
});

test('a name is a name, and a wildcard its whole first label', () => {
  const wildcard = 'a wildcard is the whole first label: *.example';
  const form = 'a name like asr.example, or *.example';
  const cases: Readonly<Record<string, string>> = {
    'asr.*.example': wildcard,
    'asr*.example': wildcard,
    '*asr.example': wildcard,
    '*.*.example': wildcard,
    '**': wildcard,
    '*.': wildcard,
    'asr.example:443': 'a name has no port: asr.example',
    '*.example:443': 'a name has no port: *.example',
    '10.0.0.1': 'TLS clients name hosts, not addresses',
    '::1': 'TLS clients name hosts, not addresses',
    'a b': form,
    'a..': form,
    '': form,
  };
  for (const [name, right] of Object.entries(cases)) {
    assert.equal(
      mistake(`{names: ["${name}"], ${PAIR}}`),
      `20: tls[0].names[0]: "${name}" is not a server name (${right})`,
    );
  }
});

test('one name has one certificate', () => {
  assert.equal(
    mistake(`{names: [a.example, A.Example.], ${PAIR}}`),
    '31: tls[0].names[1]: a.example is listed twice (first as listeners[0].tls[0].names[0])',
  );
  assert.equal(
    mistake(`{names: [b, a], ${PAIR}}, {names: [c, a], ${PAIR}}`),
    '82: tls[1].names[1]: a is listed twice (first as listeners[0].tls[0].names[1])',
  );
  assert.equal(
    mistake(`{${PAIR}}, {${PAIR}}`),
    '55: tls[1].names: * is listed twice (first as listeners[0].tls[0].names)',
  );
  assert.equal(tls(`{names: [a.example], ${PAIR}}, {names: ["*.example"], ${PAIR}}, {${PAIR}}`).length, 3);
});

test('certificates are for listeners that speak TLS', () => {
  assert.equal(
    mistakeInListener(`protocols: [h2], tls: [{${PAIR}}]`, file),
    '27: tls: tls is not among the protocols (protocols: [h2, tls])',
  );
});
