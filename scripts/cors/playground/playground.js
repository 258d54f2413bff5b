/** The playground's page: sends requests from the real browser, and shows the model's prediction beside each. */

import { changesFor, exposure, hiddenHeaders, remarksOn } from '../advice.ts';
import { fetchAsPage } from '../browser-model.ts';
import { isTelling, outcomeOf, sentenceOf, stepsOf } from '../sentences.ts';
import { HOW_TO_SET, isTemplate, problemDetail, templateLines } from '../template.ts';

const PATIENCE = 10_000;
const JSON_TYPE = [['content-type', 'application/json']];

/** Of these, the connection decides, not CORS. */
const OF_THE_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding'];

/** How many of the server's own paths, and of the requests that could change data, get a row. */
const ENOUGH = 5;

const byId = (id) => document.getElementById(id);
const form = byId('own');

/** How many results have been shown: of two that are on their way, the later one stays. */
let shown = 0;

/** What the form held when it was last filled in from the table. */
let filledIn = '';

const isReporting = new URLSearchParams(location.search).has('report');
if (isReporting) {
  addEventListener('error', ({ message }) => report({ error: message }));
  addEventListener('unhandledrejection', ({ reason }) => report({ error: String(reason) }));
  addEventListener('securitypolicyviolation', ({ violatedDirective }) => report({ error: violatedDirective }));
}

const { target, paths } = await (await fetch('/target')).json();
byId('origin').textContent = location.origin;
byId('target').textContent = target;

const readyMade = (await requestsFor(await resources())).map(({ name, path, isHeld = false, ...request }) => {
  const one = { name, isHeld, page: { url: target + path, ...request }, row: addRow(name, request.method, path) };
  one.row.button.addEventListener('click', () => choose(one).then(() => (
    one.result ? bringResultTo('ready-made') : byId('own-request').scrollIntoView({ block: 'nearest' }))));
  return one;
});
byId('again').addEventListener('click', sendAll);
form.addEventListener('submit', sendOwn);
form.elements.method.addEventListener('change', clearBody);
form.elements.url.addEventListener('input', () => showAddressError(''));

await sendAll();
const sent = readyMade.filter(({ isHeld }) => !isHeld);
await choose(sent.find(({ result }) => !result.verdict.allowed) ?? sent[0]);
if (isReporting) {
  await report({
    results: sent.map(({ name, result: { prediction, reality, agree } }) => ({ name, prediction, reality, agree })),
    held: readyMade.filter(({ isHeld }) => isHeld).map(({ page }) => `${page.method} ${page.url.slice(target.length)}`),
    refused: byId('refused').textContent,
  });
}

// ---- What is ready-made ----

/** The server's own paths, as far as it knows them, each with the methods that it says it answers. */
async function resources() {
  const known = [];
  for (const path of paths.length > 0 ? paths : ['/']) {
    const filledIn = path.replace(/\/:[^/]+/g, '/1');
    try {
      const url = target + filledIn;
      const { status, headers } = await performHttp({ method: 'OPTIONS', url, headers: [], credentials: false });
      const allow = headers.filter(([name]) => /^allow$/i.test(name)).map(([, value]) => value).join();
      const methods = allow.split(',').map((method) => method.trim()).filter(Boolean);
      if (status !== 404) known.push({ path: filledIn, methods });
    } catch {
      // That nothing answers shows when the requests are sent.
    }
  }
  return known.length > 0 ? known : [{ path: '/', methods: [] }];
}

/** What only reads is sent right away; what could change data, only when the user presses Send. */
function requestsFor(known) {
  const isReadable = ({ methods }) => methods.length === 0 || methods.includes('GET');
  const { path, methods } = known.find(isReadable) ?? known[0];
  const missing = ['DELETE', 'PATCH', 'PUT'].find((method) => methods.length > 0 && !methods.includes(method));
  const writing = known.flatMap((resource) => ['POST', 'PUT', 'PATCH', 'DELETE']
    .filter((method) => resource.methods.includes(method))
    .map((method) => ({ method, path: resource.path })));
  return [
    ...known.filter(isReadable).slice(0, ENOUGH).map(({ path }) => ({ name: 'Read', method: 'GET', path })),
    { name: 'With an API key', method: 'GET', path, headers: [['x-api-key', '1']] },
    { name: 'With another header', method: 'GET', path, headers: [['x-token', '1']] },
    { name: 'With cookies', method: 'GET', path, credentials: 'include' },
    ...(missing ? [{ name: 'A missing method', method: missing, path }] : []),
    { name: 'An unknown path', method: 'GET', path: '/nowhere' },
    ...writing.slice(0, ENOUGH).map(({ method, path }) => ({
      name: method === 'DELETE' ? 'Delete' : 'Send JSON',
      method,
      path,
      isHeld: true,
      ...(method !== 'DELETE' && { headers: JSON_TYPE, body: '{}' }),
    })),
  ];
}

// ---- Sending ----

async function sendAll() {
  byId('again').disabled = true;
  for (const one of readyMade) {
    if (one.isHeld) continue;
    one.result = await tryOut(one.page);
    showInRow(one.row, one.result);
  }
  byId('again').disabled = false;
  const results = readyMade.filter(({ isHeld }) => !isHeld).map(({ result }) => result);
  await showRefusal(results);
  const unreachable = results.every(({ verdict }) => verdict.blocked?.reason === 'network-error');
  const agreeing = results.filter(({ agree }) => agree).length;
  byId('summary').textContent = unreachable
    ? `No answer from ${target}. Start the API with npm start, then send all again.`
    : agreeing === results.length
      ? `Prediction and browser agree for all ${agreeing} requests.`
      : `Prediction and browser agree for ${agreeing} of ${results.length} requests.`;
}

/** Where this page is allowed nowhere, that is the first thing to know. */
async function showRefusal(results) {
  const isRefused = ({ verdict: { blocked } }) => /^origin-(?:missing|mismatch)$/.test(blocked?.reason ?? '');
  if (!results.every(isRefused)) {
    byId('refused').replaceChildren();
    return;
  }
  const [{ page, verdict }] = results;
  const [change] = await changesFor(page, verdict, performHttp);
  const isForTemplate = await isTemplate(verdict, performHttp);
  // Not `CORS_ORIGINS=…` to copy: that would lock out the pages that are in it.
  const advice = isForTemplate
    ? 'Add it to CORS_ORIGINS while you use the playground (keep the entries that are there, separated by commas), ' +
      'restart the API, and send all again.'
    : change.text;
  byId('refused').replaceChildren(
    element('p', {}, `The API does not allow this playground's origin, ${location.origin}, so everything is blocked.`),
    element('p', {}, advice),
  );
}

async function sendOwn(event) {
  event.preventDefault();
  const page = readForm();
  const error = addressError(page.url);
  showAddressError(error);
  if (error) {
    form.elements.url.focus();
    return;
  }
  const one = readyMade.find(({ row }) => row.row.classList.contains('chosen'));
  const button = event.submitter ?? form.querySelector('[type=submit]');
  button.disabled = true;
  byId('announcement').textContent = 'Sending…';
  const result = await tryOut(page);
  button.disabled = false;
  if (document.activeElement === document.body) button.focus(); // Disabling takes the focus away.
  if (one && filledIn === JSON.stringify(page)) showInRow(one.row, (one.result = result));
  else mark(undefined);
  await show(result);
  bringResultTo('own-request');
}

async function choose(one) {
  fillIn(one.page);
  mark(one.row);
  if (one.result) {
    await show(one.result);
  } else {
    shown++;
    byId('announcement').textContent =
      `${one.page.method} ${one.page.url} could change data: it is sent only when you press Send.`;
    byId('details').replaceChildren();
  }
}

/** Sends a request both ways. */
async function tryOut(page) {
  const asked = { origin: location.origin, ...page };
  const verdict = await fetchAsPage(asked, performHttp);
  const reality = await fetchForReal(page);
  const prediction = {
    allowed: verdict.allowed,
    status: verdict.response?.status,
    readable: verdict.readableHeaders?.filter((name) => !OF_THE_CONNECTION.includes(name)),
  };
  return { page: asked, verdict, prediction, reality, agree: agree(prediction, reality) };
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

/** The text next to the field; empty where there is nothing to say. */
function addressError(url) {
  if (/^https?:\/\/[^/]/i.test(url) && URL.canParse(url)) return '';
  const isBare = !url.includes('://') && url !== '' && URL.canParse(`http://${url}`);
  return `Write the whole address, such as ${isBare ? `http://${url}` : `${target}/`}`;
}

function showAddressError(message) {
  byId('url-error').textContent = message;
  form.elements.url.setAttribute('aria-invalid', String(message !== ''));
}

/** GET and HEAD have none. */
function clearBody() {
  if (/^(?:GET|HEAD)$/.test(form.elements.method.value)) form.elements.body.value = '';
}

function fillIn({ url, method, headers = [], body = '', credentials }) {
  const { elements } = form;
  elements.method.value = method;
  elements.url.value = url;
  elements.headers.value = headers.map((header) => header.join(': ')).join('\n');
  elements.body.value = body;
  elements.credentials.checked = credentials === 'include';
  showAddressError('');
  filledIn = JSON.stringify(readForm());
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
  const cell = () => element('td', {}, element('span', { className: 'unsent' }, 'not sent'));
  const [prediction, reality] = [cell(), cell()];
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
    ...(reality.message ? [`All that the page learns: ${reality.message}.`] : []),
    ...(agree ? [] : [
      'Your browser may have cached an earlier preflight, for as many seconds as Access-Control-Max-Age says.',
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
  return [element('h3', {}, 'Requests and responses'), element('ol', {}, ...stepsOf(exchanges).map(step))];
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
    element('p', { className: 'hint' }, `Hidden from the page: ${hidden.join(', ') || 'none'}.`),
    element('h3', {}, 'Body'),
    preformatted([body.slice(0, 4000) || '(empty)']),
  ];
}

/** On a narrow screen it stands right below what was pressed. */
function bringResultTo(id) {
  if (!matchMedia('(max-width: 60rem)').matches) return;
  byId(id).after(byId('result'));
  byId('result').scrollIntoView();
}

function preformatted(lines) {
  return element('pre', {}, lines.join('\n'));
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
