// @ts-ignore: the types of Node 20 do not know it; with those of your Node, delete this line.
import { DatabaseSync } from 'node:sqlite';
import { HttpError, RequestHandler } from '../../src/http/index.ts';

// In src/, its path is a setting: `database: text('DATABASE', 'todos.db')` in config.ts.
const database = new DatabaseSync(':memory:');
database.exec('CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL) STRICT');
const select = database.prepare('SELECT id, title FROM todos ORDER BY id');
const insert = database.prepare('INSERT INTO todos (title) VALUES (?)');

export class TodosHandler extends RequestHandler {
  override doGet() {
    return { todos: select.all() };
  }

  override async doPost() {
    const { title } = Object(await this.readJson()) as { title?: unknown };
    if (typeof title !== 'string' || title === '') throw new HttpError(422, 'Give it a title');
    const { lastInsertRowid } = insert.run(title);
    this.sendResponse(201);
    return { id: Number(lastInsertRowid), title };
  }
}
