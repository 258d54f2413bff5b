/** The page of the playground. It sends requests from the real browser, and shows what the model predicts for each. */

import { changesFor, exposure, hiddenHeaders, remarksOn } from '../advice.ts';
import { fetchAsPage } from '../browser-model.ts';
import { isProxyError } from '../proxy-error.ts';
import { ITS_COOKIES, isRelevantHeader, outcomeOf, sentenceOf, stepsOf } from '../sentences.ts';
import { HOW_TO_SET, isTemplate, problemDetail, templateLines } from '../template.ts';

const TIMEOUT_MS = 10_000;
const JSON_TYPE = [['content-type', 'application/json']];

/** These headers belong to the connection, not to CORS. */
const CONNECTION_HEADERS = ['connection', 'keep-alive', 'transfer-encoding'];

/** Limits the rows of paths that are read, and the rows of requests that could change data. */
const MAX_ROWS = 5;

const byId = (id) => document.getElementById(id);
const form = byId('own');

/** Counts the results shown, so that a late one does not replace a newer one. */
let shown = 0;

/** The content of the form when it was last filled in from the table. */
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

const samples = (await requestsFor(await resources())).map(({ name, path, changesData = false, ...request }) => {
  const row = addRow(name, request.method, path);
  const sample = { name, changesData, page: { url: target + path, ...request }, row };
  sample.row.button.addEventListener('click', () => choose(sample).then(() => (
    sample.result ? showResultBelow('samples') : byId('own-request').scrollIntoView({ block: 'nearest' }))));
  return sample;
});
byId('again').addEventListener('click', () => sendAll().then(showChosen));
form.addEventListener('submit', sendOwn);
form.elements.method.addEventListener('change', clearBody);
form.elements.url.addEventListener('input', () => showAddressError(''));

await sendAll();
const sent = samples.filter(({ changesData }) => !changesData);
await choose(sent.find(({ result }) => !result.verdict.allowed) ?? sent[0]);
if (isReporting) {
  await report({
    results: sent.map(({ name, result: { prediction, reality, agree } }) => ({ name, prediction, reality, agree })),
    unsent: samples.filter(({ changesData }) => changesData)
      .map(({ page }) => `${page.method} ${page.url.slice(target.length)}`),
    denied: byId('denied').textContent,
  });
}

// ---- The sample requests ----

/** Returns the paths of the API, each with the methods in its Allow header. */
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
      // The requests themselves will show that the API does not respond.
    }
  }
  return known.length > 0 ? known : [{ path: '/', methods: [] }];
}

/** Returns the requests. Those that only read are sent immediately, the others when the user presses Send. */
function requestsFor(known) {
  const isReadable = ({ methods }) => methods.length === 0 || methods.includes('GET');
  const { path, methods } = known.find(isReadable) ?? known[0];
  const missing = ['DELETE', 'PATCH', 'PUT'].find((method) => methods.length > 0 && !methods.includes(method));
  const writing = known.flatMap((resource) => ['POST', 'PUT', 'PATCH', 'DELETE']
    .filter((method) => resource.methods.includes(method))
    .map((method) => ({ method, path: resource.path })));
  return [
    ...known.filter(isReadable).slice(0, MAX_ROWS).map(({ path }) => ({ name: 'Read', method: 'GET', path })),
    { name: 'With an API key', method: 'GET', path, headers: [['x-api-key', '1']] },
    { name: 'With another header', method: 'GET', path, headers: [['x-token', '1']] },
    { name: 'With cookies', method: 'GET', path, credentials: 'include' },
    ...(missing ? [{ name: 'A missing method', method: missing, path }] : []),
    { name: 'An unknown path', method: 'GET', path: '/nowhere' },
    ...writing.slice(0, MAX_ROWS).map(({ method, path }) => ({
      name: method === 'DELETE' ? 'Delete' : 'Send JSON',
      method,
      path,
      changesData: true,
      ...(method !== 'DELETE' && { headers: JSON_TYPE, body: '{}' }),
    })),
  ];
}

// ---- Sending ----

async function sendAll() {
  byId('again').disabled = true;
  for (const sample of samples) {
    if (sample.changesData) continue;
    sample.result = await sendBothWays(sample.page);
    showInRow(sample.row, sample.result);
  }
  byId('again').disabled = false;
  const results = samples.filter(({ changesData }) => !changesData).map(({ result }) => result);
  await showIfDenied(results);
  const unreachable = results.every(({ verdict }) => verdict.blocked?.reason === 'network-error');
  const agreeing = results.filter(({ agree }) => agree).length;
  byId('summary').textContent = unreachable
    ? `No response from ${target}. Start the API with npm start, then send all again.`
    : agreeing === results.length
      ? `Prediction and browser agree for all ${agreeing} requests.`
      : `Prediction and browser agree for ${agreeing} of ${results.length} requests.`;
}

/** Says first if every request is blocked because of the origin of the page. */
async function showIfDenied(results) {
  const isDenied = ({ verdict: { blocked, exchanges } }) =>
    /^origin-(?:missing|mismatch)$/.test(blocked?.reason ?? '') && !isProxyError(exchanges.at(-1)?.response);
  if (!results.every(isDenied)) {
    byId('denied').replaceChildren();
    return;
  }
  const [{ page, verdict }] = results;
  const [change] = await changesFor(page, verdict, performHttp);
  const isForTemplate = await isTemplate(verdict, performHttp);
  // A line `CORS_ORIGINS=…` to copy would remove the origins that the list already has.
  const advice = isForTemplate
    ? 'Add it to CORS_ORIGINS while you use the playground (keep the other entries, separated by commas), ' +
      'restart the API, and send all again.'
    : change.text;
  byId('denied').replaceChildren(
    element('p', {}, `The API does not allow the origin of this page, ${location.origin}, so everything is blocked.`),
    element('p', {}, advice),
  );
}

/** Shows the new result of the chosen request. */
async function showChosen() {
  const { result } = samples.find(({ row }) => row.row.classList.contains('chosen')) ?? {};
  if (result) await show(result);
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
  const chosen = samples.find(({ row }) => row.row.classList.contains('chosen'));
  const button = event.submitter ?? form.querySelector('[type=submit]');
  button.disabled = true;
  byId('announcement').textContent = 'Sending…';
  const result = await sendBothWays(page);
  button.disabled = false;
  if (document.activeElement === document.body) button.focus(); // Disabling the button removed its focus.
  if (chosen && filledIn === JSON.stringify(page)) showInRow(chosen.row, (chosen.result = result));
  else mark(undefined);
  await show(result);
  showResultBelow('own-request');
}

async function choose({ page, row, result }) {
  fillIn(page);
  mark(row);
  if (result) {
    await show(result);
  } else {
    shown++;
    byId('announcement').textContent =
      `${page.method} ${page.url} could change data, so it is sent only when you press Send.`;
    byId('details').replaceChildren();
  }
}

/** Sends a request from the browser, and predicts its result. */
async function sendBothWays(page) {
  const asked = { origin: location.origin, ...page };
  const verdict = await fetchAsPage(asked, performHttp);
  const reality = await fetchForReal(page);
  const prediction = {
    allowed: verdict.allowed,
    status: verdict.response?.status,
    readable: verdict.readableHeaders?.filter((name) => !CONNECTION_HEADERS.includes(name)),
  };
  return { page: asked, verdict, prediction, reality, agree: agree(prediction, reality) };
}

/**
 * Returns whether the prediction is right. A second DELETE may get another status, and then the headers may differ too.
 */
function agree(prediction, reality) {
  if (prediction.allowed !== reality.allowed) return false;
  return prediction.status !== reality.status || String(prediction.readable) === String(reality.readable);
}

async function fetchForReal({ url, ...options }) {
  try {
    const response = await fetch(url, { ...options, cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    const headers = [...response.headers].filter(([name]) => !CONNECTION_HEADERS.includes(name));
    const body = await response.text().catch(() => '(the body did not end in time)');
    return { allowed: true, status: response.status, readable: headers.map(([name]) => name), headers, body };
  } catch (error) {
    return { allowed: false, message: `${error.name}: ${error.message}` };
  }
}

/** Sends a request of the model, which a page cannot send, from the server of the playground. */
async function performHttp(request) {
  const response = await post('/perform', request);
  const result = await response.json();
  if (!response.ok) throw new Error(result.error);
  return result;
}

function report(value) {
  return post('/report', value);
}

function post(path, value) {
  return fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) });
}

// ---- The form ----

/** Returns the text next to the field, which is empty if the address is valid. */
function addressError(url) {
  if (/^https?:\/\/[^/]/i.test(url) && URL.canParse(url)) return '';
  const isBare = !url.includes('://') && url !== '' && URL.canParse(`http://${url}`);
  return `Write the complete address, such as ${isBare ? `http://${url}` : `${target}/`}`;
}

function showAddressError(message) {
  byId('url-error').textContent = message;
  form.elements.url.setAttribute('aria-invalid', String(message !== ''));
}

/** Clears the body for GET and HEAD, which have none. */
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
  byId('rows').append(row);
  return { row, button, prediction, reality };
}

function showInRow({ prediction, reality }, result) {
  prediction.replaceChildren(badge(result.prediction));
  reality.replaceChildren(badge(result.reality));
  if (!result.agree) reality.append(element('span', { className: 'differs' }, '≠ differs'));
}

function mark(chosen) {
  for (const { row } of samples) {
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
  const changes = await changesFor(page, verdict, performHttp);
  const more = exposed ? [exposed] : [];
  const hasLines = templateLines([...changes, ...more]) !== undefined;
  const isForTemplate = hasLines && (await isTemplate(verdict, performHttp));
  if (turn !== shown) return;

  const call = `${page.method} ${page.url}${page.credentials === 'include' ? ', with cookies' : ''}`;
  const outcome = `${reality.allowed ? 'allowed' : 'blocked'}, ${agree ? '' : 'not '}as predicted`;
  byId('announcement').textContent = `${call}: ${outcome}`;
  byId('details').replaceChildren(
    element('dl', { className: 'comparison' },
      element('div', {}, element('dt', {}, 'Prediction'), element('dd', {}, badge(result.prediction))),
      element('div', {}, element('dt', {}, 'Your browser'), element('dd', {}, badge(reality))),
      element('div', {}, element('dt', {}, 'Comparison'), agree
        ? element('dd', {}, '= they agree')
        : element('dd', { className: 'differs' }, '≠ they differ')),
    ),
    element('p', { className: `outcome ${verdict.allowed ? 'allowed' : 'blocked'}` }, outcomeOf(page, verdict)),
    ...hints(result).map((text) => element('p', { className: 'hint' }, text)),
    ...advice('What to change', changes, isForTemplate),
    ...advice('Worth knowing', remarksOn(page, verdict), isForTemplate),
    ...advice('If the page needs more', more, isForTemplate),
    ...exchangeParts(verdict),
    ...(reality.allowed ? responseParts(verdict, reality) : []),
  );
}

function hints({ verdict, reality, agree }) {
  return [
    ...(verdict.blocked ? [`The standard: ${verdict.blocked.section}.`] : []),
    ...(reality.message ? [`The page sees only this error: ${reality.message}.`] : []),
    ...(agree ? [] : [
      'Your browser may have cached an earlier preflight, for the number of seconds in Access-Control-Max-Age.',
    ]),
  ];
}

function advice(title, changes, isForTemplate) {
  if (changes.length === 0) return [];
  const parts = [element('h3', {}, title), element('ul', {}, ...changes.map(({ text }) => element('li', {}, text)))];
  const lines = templateLines(changes);
  if (isForTemplate && lines) {
    const { variables, code } = lines;
    parts.push(
      element('p', {}, 'In this server, which is built from this template:'),
      preformatted([...variables, ...code]),
      ...(variables.length > 0 ? [element('p', { className: 'hint' }, HOW_TO_SET)] : []),
    );
  }
  return parts;
}

function exchangeParts({ exchanges }) {
  if (exchanges.length === 0) return [];
  return [element('h3', {}, 'Requests and responses'), element('ol', {}, ...stepsOf(exchanges).map(step))];
}

function step({ exchange, number, omitted }) {
  const { request, response } = exchange;
  const detail = problemDetail(response);
  const sentence = `${omitted > 0 ? `(After ${omitted} more like these.) ` : ''}${sentenceOf(exchange)}`;
  return element('li', { value: number }, sentence, preformatted([
    `> ${request.method} ${request.url}`,
    ...request.headers.filter(isRelevantHeader).map((header) => `> ${header.join(': ')}`),
    ...(request.credentials ? [`> ${ITS_COOKIES}`] : []),
    ...(response ? ['', `< ${response.status}`] : []),
    ...(response?.headers ?? []).filter(isRelevantHeader).map((header) => `< ${header.join(': ')}`),
    ...(detail ? [`< "${detail}"`] : []),
  ]));
}

function responseParts(verdict, { headers, body }) {
  const hidden = hiddenHeaders(verdict).filter((name) => !CONNECTION_HEADERS.includes(name));
  return [
    element('h3', {}, 'Headers that the page can read'),
    preformatted(headers.length > 0 ? headers.map((header) => header.join(': ')) : ['(none)']),
    element('p', { className: 'hint' }, `Hidden from the page: ${hidden.join(', ') || 'none'}.`),
    element('h3', {}, 'Body'),
    preformatted([body.slice(0, 4000) || '(empty)']),
  ];
}

/** Moves the result below the section in which a button was pressed, on a narrow screen. */
function showResultBelow(id) {
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
