/** Whose it is: at least one of them. */
export type Who = { userId: string; anonymousId?: string } | { anonymousId: string };

export interface Options {
  /** The write key of a source. */
  writeKey: string;
  /** Where the engine is, such as `https://cdp.example.com`. */
  host: string;
  /** Messages that are sent at a time. Default 20. */
  batch?: number;
  /** After so many milliseconds a batch is sent, however small. Default 1000. */
  every?: number;
  /** Times that a batch is tried before it is given up. Default 10. */
  attempts?: number;
  /** Told of a batch that was given up, or refused. */
  onError?: (error: Error, messages: ReadonlyArray<object>) => void;
}

/** Sends what happens to the engine, in batches, again until it has them; each message counts once. */
export class Sonder {
  private queue: object[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sending: Promise<void> = Promise.resolve();

  constructor(private readonly options: Options) {}

  /** Something happened. */
  track<E extends keyof Events>(event: E, properties: Events[E], who: Who, timestamp: Date = new Date()): void {
    this.add({ type: "track", event, properties, timestamp: timestamp.toISOString(), ...who });
  }

  /** Who it is, and what is known of them. */
  identify(who: Who, traits: Traits = {}): void {
    this.add({ type: "identify", traits, timestamp: new Date().toISOString(), ...who });
  }

  /** Sends what waits; done when the engine has it, or it was given up. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.queue.length > 0) {
      const messages = this.queue.splice(0, this.options.batch ?? 20);
      this.sending = this.sending.then(() => this.send(messages));
    }
    await this.sending;
  }

  private add(message: object): void {
    this.queue.push({ messageId: globalThis.crypto.randomUUID(), ...message });
    if (this.queue.length >= (this.options.batch ?? 20)) {
      void this.flush();
    } else {
      this.timer ??= setTimeout(() => void this.flush(), this.options.every ?? 1000);
    }
  }

  private async send(messages: object[]): Promise<void> {
    const body = JSON.stringify({ batch: messages, sentAt: new Date().toISOString() });
    const headers = { "content-type": "application/json", authorization: `Basic ${btoa(`${this.options.writeKey}:`)}` };
    let last = new Error("never tried");
    for (let attempt = 0; attempt < (this.options.attempts ?? 10); attempt++) {
      if (attempt > 0) await new Promise((done) => setTimeout(done, Math.min(100 * 2 ** attempt, 30000) * (0.5 + Math.random())));
      try {
        const answer = await fetch(`${this.options.host}/v1/batch`, { method: "POST", headers, body });
        if (answer.ok) return;
        last = new Error(`the engine answered ${answer.status}`);
        // What is wrong with the request is still wrong the next time.
        if (answer.status < 500 && answer.status !== 429) break;
      } catch (error) {
        last = error instanceof Error ? error : new Error(String(error));
      }
    }
    this.options.onError?.(last, messages);
  }
}
