import { HttpError, RequestHandler } from '../../src/http/index.ts';

/**
 * Reads what `<form method="post">` sends, with `enctype="multipart/form-data"` too. Browsers send forms without a
 * preflight. If a cookie authenticates the user, list your own origins in CORS_ORIGINS, so that forms of other sites
 * get 403. Files may exceed BODY_LIMIT: give the class a `static bodyLimit`, as in upload.ts.
 */
export class FormHandler extends RequestHandler {
  override async doPost() {
    const type = this.request.headers['content-type'] ?? '';
    if (!/^(?:application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(type)) {
      throw new HttpError(415, 'Send a form', { Accept: 'application/x-www-form-urlencoded, multipart/form-data' });
    }
    const body = await this.readBody();
    const form = await new Response(body, { headers: { 'Content-Type': type } }).formData().catch(() => {
      throw new HttpError(400, 'The form cannot be read');
    });
    const [name, attachment] = [form.get('name'), form.get('attachment')];
    return {
      // A client can send a file in place of any field.
      name: typeof name === 'string' ? name : null,
      attachment: attachment instanceof Blob ? (await attachment.arrayBuffer()).byteLength : 0,
    };
  }
}
