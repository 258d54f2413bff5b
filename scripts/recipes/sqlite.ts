import { HttpError, RequestHandler } from '../../src/http/index.ts';

/** The part of DatabaseSync that is used here, because the types of Node 20 do not have node:sqlite yet. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): {
    all(...values: (string | number)[]): unknown[];
    get(...values: (string | number)[]): unknown;
    run(...values: (string | number)[]): { changes: number | bigint };
  };
}

interface Todo {
  id: number;
  title: string;
}

/**
 * Returns the routes of todos in a database, as in `...todosRoutes(new DatabaseSync('todos.db'))`. DatabaseSync comes
 * from `node:sqlite`. Each call blocks the process, so keep the queries short.
 */
export function todosRoutes(database: Database) {
  database.exec('CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL) STRICT');
  const selectAll = database.prepare('SELECT id, title FROM todos ORDER BY id LIMIT 100');
  const insert = database.prepare('INSERT INTO todos (title) VALUES (?) RETURNING id, title');
  const remove = database.prepare('DELETE FROM todos WHERE id = ?');

  class TodosHandler extends RequestHandler {
    override doGet() {
      return { todos: selectAll.all() as Todo[] };
    }

    override async doPost() {
      const { title } = Object(await this.readJson()) as { title?: unknown };
      if (typeof title !== 'string' || title === '') throw new HttpError(422, 'title must be a string and not empty');
      const todo = insert.get(title) as Todo;
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
