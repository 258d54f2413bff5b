import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseEnvironmentFile } from '../src/environment.ts';

const right: [file: string, variables: Record<string, string>][] = [
  ['A=1\nB=2', { A: '1', B: '2' }],
  ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
  ['# comment\n\n  # comment\nA=1 # comment', { A: '1' }],
  ['export A=1\n  B = 2  ', { A: '1', B: '2' }],
  ['A=\nB= \nC=\t\nD= # comment\nE=#comment\nF=1', { A: '', B: '', C: '', D: '', E: '', F: '1' }],
  ['A=x y\nB=a=b==\nC=it\'s', { A: 'x y', B: 'a=b==', C: 'it\'s' }],
  ['A="x # y" # comment\nB=\'a "b"\'\nC=``\nD="a\\nb"\nE=\'a\\nb\'', {
    A: 'x # y', B: 'a "b"', C: '', D: 'a\nb', E: 'a\\nb',
  }],
  ['KEY="-----BEGIN KEY-----\nMIIabc==\n-----END KEY-----"\nB=2', {
    KEY: '-----BEGIN KEY-----\nMIIabc==\n-----END KEY-----', B: '2',
  }],
  ['', {}],
  ['\n', {}],
];
describe('parseEnvironmentFile', () => {
  for (const [file, variables] of right) {
    test(`reads ${JSON.stringify(file).slice(0, 70)}`, () => {
      const parsed = parseEnvironmentFile(file);
      assert.deepEqual(parsed.errors, []);
      assert.deepEqual(Object.fromEntries(parsed.variables), variables);
    });
  }
});

const NOT_A_SETTING =
  'is not NAME=value: write it so (a list on one line), or begin the line with # to make it a comment';
const wrong: [file: string, error: string][] = [
  ['A=1\nCORS_ORIGINS: https://a.example', '.env:2: is not NAME=value: write CORS_ORIGINS=…'],
  ['set A=1', '.env:1: is not NAME=value: write A=…'],
  ['set A="1"', '.env:1: is not NAME=value: write A=…'],
  ['A: "1"', '.env:1: is not NAME=value: write A=…'],
  ['A=https://a.example,\n  https://b.example', `.env:2: ${NOT_A_SETTING}`],
  ['$env:A = 1', '.env:1: is not NAME=value: write A=…'],
  ['A=1\n\n# c\ntext\nB=2', `.env:4: ${NOT_A_SETTING}`],
  ['=1', `.env:1: ${NOT_A_SETTING}`],
  ['A="open\nB=2', '.env:1: the quote after A= is not closed: write A="…"'],
  ['A="open\nB=2\nC="', '.env:1: the quote after A= is not closed: write A="…"'],
  ['A=\'open\nB="it\'s"', '.env:1: the quote after A= is not closed: write A=\'…\''],
  ['A=\'it\'s\'', '.env:1: something follows the value of A: write A=\'…\', with other quotes outside'],
  ['A=x#y', '.env:1: a # in a value must be in quotes: write A="…"'],
  ['A=1\nB=2\nA=3', '.env:3: A is set on an earlier line too: remove one of them'],
  ['A="1\n2"\ntext', `.env:3: ${NOT_A_SETTING}`],
];
describe('parseEnvironmentFile', () => {
  for (const [file, error] of wrong) {
    test(`rejects ${JSON.stringify(file)}`, () => assert.equal(parseEnvironmentFile(file).errors[0], error));
  }

  test('rejects a lone carriage return', () => {
    assert.equal(parseEnvironmentFile('A=1\rB=2').errors.length, 1);
  });

  test('reports every line that it does not understand', () => {
    const { errors, variables } = parseEnvironmentFile('a b\nA=1\nc d\nB=2');
    assert.deepEqual(errors.map((error) => error.slice(0, 7)), ['.env:1:', '.env:3:']);
    assert.deepEqual([...variables.keys()], ['A', 'B']);
  });

  test('never repeats a value, which may be a secret', () => {
    assert.doesNotMatch(parseEnvironmentFile('API_KEY: hunter2\nhunter2\nB="hunter2').errors.join(), /hunter2/);
  });
});
