/** The playground's page: sends requests from the real browser, and shows the model's prediction beside each. */

import { changesFor, exposure, hiddenHeaders, remarksOn } from '../advice.ts';
import { fetchAsPage } from '../browser-model.ts';
import { isTelling, outcomeOf, problemDetail, sentenceOf, stepsOf } from '../sentences.ts';
import { HOW_TO_SET, isTemplate, templateLines } from '../template.ts';

const PATIENCE = 10_000;
const JSON_TYPE = [['content-type', 'application/json']];

/** Of these, the connection decides, not CORS. */
const OF_THE_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding'];

const READY_MADE = [
  { name: 'Read', method: 'GET', path: '/' },
  { name: 'Send JSON', method: 'POST', path: '/', headers: JSON_TYPE, body: '{"hello": "world"}' },
  { name: 'Send plain text', method: 'POST', path: '/', body: 'hello' },
  { name: 'Send broken JSON', method: 'POST', path: '/', headers: JSON_TYPE, body: '{"hello": ' },
  { name: 'Change a missing note', method: 'PUT', path: '/notes/1', headers: JSON_TYPE, body: '{"title": "Milk"}' },
  { name: 'A missing method', method: 'DELETE', path: '/' },
  { name: 'An allowed header', method: 'GET', path: '/', headers: [['x-api-key', '1']] },
  { name: 'Another header', method: 'GET', path: '/', headers: [['x-token', '1']] },
  { name: 'With cookies', method: 'GET', path: '/', credentials: 'include' },
  { name: 'An unknown path', method: 'GET', path: '/nowhere' },
];

const byId = (id) => document.getElementById(id);
const form = byId('own');

/** How many results have been shown: of two that are on their way, the later one stays. */
let shown = 0;

const isReporting = new URLSearchParams(location.search).has('report');
if (isReporting) {
  addEventListener('error', ({ message }) => report({ error: message }));
  addEventListener('unhandledrejection', ({ reason }) => report({ error: String(reason) }));
  addEventListener('securitypolicyviolation', ({ violatedDirective }) => report({ error: violatedDirective }));
}

const { target } = await (await fetch('/target')).json();
byId('origin').textContent = location.origin;
byId('target').textContent = target;

const readyMade = READY_MADE.map(({ name, path, ...request }) => {
  const one = { name, page: { url: target + path, ...request }, row: addRow(name, request.method, path) };
  one.row.button.addEventListener('click', () => choose(one).then(scrollToResult));
  return one;
});
byId('again').addEventListener('click', sendAll);
form.addEventListener('submit', sendOwn);

await sendAll();
await choose(readyMade.find(({ result }) => !result.verdict.allowed) ?? readyMade[0]);
if (isReporting) {
  await report({
    results: readyMade.map(({ name, result: { prediction, reality, agree } }) => ({ name, prediction, reality, agree })),
  });
}

// ---- Sending ----

async function sendAll() {
  byId('again').disabled = true;
  for (const one of readyMade) {
    one.result = await tryOut(one.page);
    showInRow(one.row, one.result);
  }
  byId('again').disabled = false;
  const unreachable = readyMade.every(({ result }) => result.verdict.blocked?.reason === 'network-error');
  const agreeing = readyMade.filter(({ result }) => result.agree).length;
  byId('summary').textContent = unreachable
    ? `No answer comes from ${target}. Start the API with npm start, then send them again.`
    : agreeing === readyMade.length
      ? `Prediction and browser agree in all ${agreeing}.`
      : `Prediction and browser agree in ${agreeing} of ${readyMade.length}.`;
}

async function sendOwn(event) {
  event.preventDefault();
  const button = event.submitter ?? form.querySelector('[type=submit]');
  button.disabled = true;
  byId('announcement').textContent = 'It is being sent…';
  mark(undefined);
  const result = await tryOut(readForm());
  button.disabled = false;
  if (document.activeElement === document.body) button.focus(); // Disabling takes the focus away.
  await show(result);
  scrollToResult();
}

async function choose({ page, row, result }) {
  fillIn(page);
  mark(row);
  if (result) await show(result);
}

/** Sends a request both ways. */
async function tryOut(page) {
  const verdict = await fetchAsPage({ origin: location.origin, ...page }, performHttp);
  const reality = await fetchForReal(page);
  const prediction = {
    allowed: verdict.allowed,
    status: verdict.response?.status,
    readable: verdict.readableHeaders?.filter((name) => !OF_THE_CONNECTION.includes(name)),
  };
  return { page: { origin: location.origin, ...page }, verdict, prediction, reality, agree: agree(prediction, reality) };
}

/** A second DELETE of the same thing is answered differently; only like answers have like headers. */
function agree(prediction, reality) {
  if (prediction.allowed !== reality.allowed) return false;
  return prediction.status !== reality.status || String(prediction.readable) === String(reality.readable);
}

async function fetchForReal({ url, ...options }) {
  try {
    const response = await fetch(url, { ...options, cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    const headers = [...response.headers].filter(([name]) => !OF_THE_CONNECTION.includes(name));
    const body = await response.text().catch(() => '(it did not end in time)');
    return { allowed: true, status: response.status, readable: headers.map(([name]) => name), headers, body };
  } catch (error) {
    return { allowed: false, message: `${error.name}: ${error.message}` };
  }
}

/** What the model asks for is plain HTTP, which only the playground's server can speak. */
async function performHttp(request) {
  const response = await post('/perform', request);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function report(value) {
  return post('/report', value);
}

function post(path, value) {
  return fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) });
}

// ---- The form ----

function fillIn({ url, method, headers = [], body = '', credentials }) {
  const { elements } = form;
  elements.method.value = method;
  elements.url.value = url;
  elements.headers.value = headers.map((header) => header.join(': ')).join('\n');
  elements.body.value = body;
  elements.credentials.checked = credentials === 'include';
}

function readForm() {
  const { method, url, headers, body, credentials } = form.elements;
  return {
    method: method.value,
    url: url.value.trim(),
    headers: headers.value.split('\n').filter((line) => line.trim() !== '').map(readHeader),
    ...(body.value !== '' && { body: body.value }),
    ...(credentials.checked && { credentials: 'include' }),
  };
}

function readHeader(line) {
  const [name, ...value] = line.split(':');
  return [name.trim(), value.join(':').trim()];
}

// ---- Showing ----

function addRow(name, method, path) {
  const button = element('button', { type: 'button', className: 'choice' }, name);
  const prediction = element('td', {}, '…');
  const reality = element('td', {}, '…');
  const heading = element('th', { scope: 'row' }, button, element('code', {}, `${method} ${path}`));
  const row = element('tr', {}, heading, prediction, reality);
  byId('ready').append(row);
  return { row, button, prediction, reality };
}

function showInRow({ prediction, reality }, result) {
  prediction.replaceChildren(badge(result.prediction));
  reality.replaceChildren(badge(result.reality));
  if (!result.agree) reality.append(element('span', { className: 'differs' }, '≠ differs'));
}

function mark(chosen) {
  for (const { row } of readyMade) {
    row.row.classList.toggle('chosen', row === chosen);
    if (row === chosen) row.button.setAttribute('aria-current', 'true');
    else row.button.removeAttribute('aria-current');
  }
}

function badge({ allowed, status }) {
  const parts = allowed ? ['✓ allowed', element('span', { className: 'status' }, ` ${status ?? ''}`)] : ['✕ blocked'];
  return element('span', { className: allowed ? 'badge allowed' : 'badge blocked' }, ...parts);
}

async function show(result) {
  const turn = ++shown;
  const { page, verdict, reality, agree } = result;
  const exposed = exposure(page, verdict);
  const changes = [
    ...(await changesFor(page, verdict, performHttp)),
    ...remarksOn(page, verdict),
    ...(exposed ? [exposed] : []),
  ];
  const isForTemplate = templateLines(changes) !== undefined && (await isTemplate(verdict, performHttp));
  if (turn !== shown) return;

  const call = `${page.method} ${page.url}${page.credentials === 'include' ? ', with cookies' : ''}`;
  const outcome = `${reality.allowed ? 'allowed' : 'blocked'}, ${agree ? '' : 'not '}as predicted`;
  byId('announcement').textContent = `${call}: ${outcome}`;
  byId('details').replaceChildren(
    element('dl', { className: 'comparison' },
      element('div', {}, element('dt', {}, 'Prediction'), element('dd', {}, badge(result.prediction))),
      element('div', {}, element('dt', {}, 'Your browser'), element('dd', {}, badge(reality))),
      element('div', {}, element('dt', {}, 'Together'), agree
        ? element('dd', {}, '= they agree')
        : element('dd', { className: 'differs' }, '≠ they differ')),
    ),
    element('p', { className: `outcome ${verdict.allowed ? 'allowed' : 'blocked'}` }, outcomeOf(page, verdict)),
    ...hints(result).map((text) => element('p', { className: 'hint' }, text)),
    ...advice(verdict.allowed ? 'If the page needs more' : 'What to change', changes, isForTemplate),
    ...dialogue(verdict),
    ...(reality.allowed ? answer(verdict, reality) : []),
  );
}

function hints({ verdict, reality, agree }) {
  return [
    ...(verdict.blocked ? [`The standard: ${verdict.blocked.section}.`] : []),
    ...(reality.message ? [`All that the page is told: ${reality.message}.`] : []),
    ...(agree ? [] : [
      'Your browser may remember what the server allowed before: Access-Control-Max-Age says for how many seconds.',
    ]),
  ];
}

function advice(title, changes, isForTemplate) {
  if (changes.length === 0) return [];
  const parts = [element('h3', {}, title), element('ul', {}, ...changes.map(({ text }) => element('li', {}, text)))];
  if (isForTemplate) {
    const { variables, code } = templateLines(changes);
    parts.push(
      element('p', {}, 'In this server, which is made from this template:'),
      preformatted([...variables, ...code]),
      ...(variables.length > 0 ? [element('p', { className: 'hint' }, HOW_TO_SET)] : []),
    );
  }
  return parts;
}

function dialogue({ exchanges }) {
  if (exchanges.length === 0) return [];
  return [element('h3', {}, 'What was said'), element('ol', {}, ...stepsOf(exchanges).map(step))];
}

function step({ exchange, number, leftOut }) {
  const { request, response } = exchange;
  const detail = problemDetail(response);
  const sentence = `${leftOut > 0 ? `(After ${leftOut} more like these.) ` : ''}${sentenceOf(exchange)}`;
  return element('li', { value: number }, sentence, preformatted([
    `> ${request.method} ${request.url}`,
    ...request.headers.filter(isTelling).map((header) => `> ${header.join(': ')}`),
    ...(request.credentials ? ['> (and the cookies that the browser has for this address)'] : []),
    ...(response ? ['', `< ${response.status}`] : []),
    ...(response?.headers ?? []).filter(isTelling).map((header) => `< ${header.join(': ')}`),
    ...(detail ? [`< "${detail}"`] : []),
  ]));
}

function answer(verdict, { headers, body }) {
  const hidden = hiddenHeaders(verdict).filter((name) => !OF_THE_CONNECTION.includes(name));
  return [
    element('h3', {}, 'Headers that the page can read'),
    preformatted(headers.length > 0 ? headers.map((header) => header.join(': ')) : ['(none)']),
    element('p', { className: 'hint' }, `There, but not for the page: ${hidden.join(', ') || 'nothing'}.`),
    element('h3', {}, 'Body'),
    preformatted([body.slice(0, 4000) || '(empty)']),
  ];
}

/** On a narrow screen it stands below what was pressed. */
function scrollToResult() {
  if (matchMedia('(max-width: 60rem)').matches) byId('result').scrollIntoView();
}

function preformatted(lines) {
  return element('pre', {}, lines.join('\n'));
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
