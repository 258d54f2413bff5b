import { HttpError, RequestHandler } from '../../src/http/index.ts';

/** The part of DatabaseSync that is used here, because the types of Node 20 do not have node:sqlite yet. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): {
    all(...values: (string | number)[]): unknown[];
    run(...values: (string | number)[]): { changes: number | bigint };
  };
}

interface Todo {
  id: number;
  title: string;
}

/**
 * Returns the routes of todos that are kept in a database. Write `...todosRoutes(database)` in routes.ts. Create the
 * database in a file of your own. main.ts imports that file too, and closes the database.
 *
 *     import { DatabaseSync } from 'node:sqlite';
 *     export const database = new DatabaseSync(process.env['NODE_TEST_CONTEXT'] ? ':memory:' : 'todos.db');
 *
 * Under `node --test`, tests that import routes.ts then do not open the real file. A test of the todos passes its own
 * `new DatabaseSync(':memory:')`. For the types of node:sqlite: `npm install -D @types/node@24`. Each call blocks the
 * process, so keep queries short.
 */
export function todosRoutes(database: Database) {
  // Other processes may share the file. Without the timeout, a write fails immediately while another process writes.
  // With WAL, reads need not wait for a write.
  database.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL');
  database.exec('CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL) STRICT');
  const selectAll = database.prepare('SELECT id, title FROM todos ORDER BY id LIMIT 100');
  const insert = database.prepare('INSERT INTO todos (title) VALUES (?) RETURNING id, title');
  const remove = database.prepare('DELETE FROM todos WHERE id = ?');

  class TodosHandler extends RequestHandler {
    /** With the server's limit of 1 MiB, a list of 100 titles could be 100 MiB long. */
    static override readonly bodyLimit = 1_000;

    override doGet() {
      return { todos: selectAll.all() as Todo[] };
    }

    override async doPost() {
      const { title } = Object(await this.readJson()) as { title?: unknown };
      if (typeof title !== 'string' || title === '') throw new HttpError(422, 'title must be a string and not empty');
      // Not get(), which ignores an error of the commit that follows the row.
      const [todo] = insert.all(title) as [Todo];
      this.sendResponse(201);
      this.sendHeader('Location', `/todos/${todo.id}`);
      return todo;
    }
  }

  class TodoHandler extends RequestHandler {
    override doDelete() {
      if (Number(remove.run(this.param('id')).changes) === 0) throw new HttpError(404, 'Todo not found');
    }
  }

  return { '/todos': TodosHandler, '/todos/:id': TodoHandler };
}
