import assert from 'node:assert/strict';
import { test } from 'node:test';
import { regexFault } from '../../src/route/harmless-regex.ts';

function refused(fault: RegExp, ...patterns: readonly string[]): void {
  for (const pattern of patterns) assert.match(regexFault(pattern) ?? '', fault, pattern);
}

const HARMLESS = [
  '',
  '/v1/',
  '^/v[0-9]+/item-\\d+$',
  '\\.(?:png|jpg|jpeg)$',
  '/[^/]+$',
  '^/(?:speech|tts)/.*',
  '^/api/.*/items/.*$',
  '^/user/(?<id>\\d+)/posts/(?<post>\\w+)$',
  '^(?:\\d{1,3}\\.){3}\\d{1,3}$',
  '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  '^(?!/admin(?:/|$))/.*$',
  '^(a|b)*c',
  '^(?:/x)*$',
  '^Bearer [A-Za-z0-9._-]+$',
  '^https?://',
  '^(/[a-z]+)?(/[a-z]+)?/x$',
  '^a{',
  '^[(a+)+]$',
  '^\\(a+\\)+$',
  '^[^]$',
];

test('expressions that can be read from left to right without guessing are harmless', () => {
  for (const pattern of HARMLESS) assert.equal(regexFault(pattern), null, pattern);
});

test('what is found to be harmless takes no time, whatever it is put before', () => {
  const texts = ['a', '/', '1', '/v1', '/a', '/api/items/', '1.', '0-', '/x', '/item-1'].map((text) =>
    text.repeat(60_000 / text.length),
  );
  for (const pattern of HARMLESS) {
    const regex = new RegExp(pattern);
    const started = performance.now();
    for (const text of texts) for (const end of ['', '!']) regex.test(text + end);
    assert.ok(performance.now() - started < 2000, `${pattern} takes seconds`);
  }
});

test('a repetition of a repetition is refused', () => {
  refused(/which is a repetition itself/, '(a+)+', '^(a*)*$', '(a*b?)*', '(?:[a-z]+)*x', '^(x+x+)+y', '(([a]+))+', '(a{2,})+', '^(a+){2}', '(?:(?=.*a)b)*', '^(?<n>a+)*', '((((a*)*)*)*)*'); // prettier-ignore
});

test('a repetition is refused if one text can go through it in two ways', () => {
  refused(
    /begin alike/,
    '^(a|aa)*$',
    '^(a|a)*$',
    '^([ab]|[bc])+$',
    '^(a?b?a)*$',
    '^(GET|POST|PUT)+',
    '^(.|a)*',
    '^(\\w|_)+',
  );
  refused(/may be empty/, '^(a?)*', '^(a|)+', '^(a?){30}a{30}', '^(|a)*', '^(?:(?=a))*');
  refused(/more than one way/, '^(aa?)*$', '^(a(?:b)?|b)*$', '^(ab?c?b)+', '^(a{1,8}){8}b$', '^([ab]{1,3}){9}c'); // prettier-ignore
});

test('two repetitions that can take the same text are refused', () => {
  refused(/can match the same text$/, '^a*a*b', '^/api/.*/items/.*x$', '^.*.*x$', '^[ab]*ab[ab]*$', '^\\w*\\d*!', '^(a*)?a*b', '^a{1,100}a{1,100}b', '^(?:a+|b)a+c'); // prettier-ignore
  refused(/is tried from each place/, '.*foo', '[a-z]+$', '(?=.*a)b', '(a|b)*c', '\\s+$', '(?:^|a)a+!');
});

test('many small choices are refused as one great one is', () => {
  refused(/in too many ways/, `^${'a?'.repeat(30)}${'a'.repeat(30)}`, `^${'(a|ab)'.repeat(12)}c`, `^${'a{1,9}'.repeat(5)}b`); // prettier-ignore
});

test('back-references and look-behinds are refused, also by name', () => {
  refused(/refers back/, '(a)\\1', '\\1(a)', '(?<n>a)\\k<n>', '(a)(?=\\1)');
  refused(/looks behind/, '(?<=a)b', '(?<!a)b', '^(x|(?<=a)b)');
});

test('what is too long or no expression is refused with the reason', () => {
  refused(/longer than 512/, 'a'.repeat(513));
  assert.equal(regexFault('a'.repeat(512)), null);
  refused(/^Invalid regular expression/, '(', '[b-a]', 'a{2,1}', '*', 'a**', '(?<n', ')', '\\');
  assert.doesNotThrow(() => regexFault('('.repeat(250) + ')'.repeat(250)));
});
