// A second reading below the first: another network's, of the same drawing.

import { streamUrl } from "../core/app.js";
import { Connection } from "../core/connection.js";
import { setText } from "../core/dom.js";
import { View } from "../reading/view.js";
import * as words from "../core/strings.js";

export class Second {
  /**
   * @param place filled by `second-parts.js`
   * @param config of the network, from the server
   * @param onLayer (number) after another of its layers was chosen
   */
  constructor(place, config, onLayer) {
    this.place = place;
    this.view = new View(place, config, onLayer);
    this.connection = null;
    this.use(config);
  }

  /** Let this network read from now on. */
  use(config) {
    this.close();
    this.config = config;
    this.shown = 0; // sequence of the newest reading shown
    this.rested = Infinity; // sequence that was newest when the pen came to rest
    this.view.configure(config);
    const { name, description } = config.model;
    this.place.hidden = false;
    this.place.setAttribute("aria-label", words.secondReading(name));
    setText(this.place.querySelector(".name"), name);
    setText(this.place.querySelector(".about"), words.about(description, config));
    this.#trouble("");
    this.connection = new Connection(streamUrl(config), {
      onReading: (reading) => this.#show(reading),
      onRefusal: (reason) => this.#trouble(words.refused(reason)),
      onLost: () => this.view.age(true),
      onConnected: () => {},
    });
  }

  /** Read the drawing as soon as the one in flight is back. */
  read(sequence, drawing) {
    this.rested = Infinity; // the pen may go on
    this.connection.send(sequence, drawing);
  }

  /** The pen rests, and `sequence` is the newest drawing. */
  rest(sequence) {
    this.rested = sequence;
    if (this.shown >= sequence) this.view.rest();
  }

  close() {
    this.connection?.close();
    this.connection = null;
    this.place.hidden = true;
  }

  #show(reading) {
    if (reading.sequence < this.shown) return;
    this.shown = reading.sequence;
    this.#trouble("");
    this.view.show(reading);
    this.rest(this.rested);
  }

  #trouble(text) {
    setText(this.place.querySelector(".trouble"), text);
    this.view.age(Boolean(text));
  }
}
