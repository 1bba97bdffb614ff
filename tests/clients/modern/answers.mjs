// What several features answer with.

export const text = (value) => ({ type: 'text', text: value });

/** A result of texts. */
export const texts = (...values) => ({ content: values.map(text) });
