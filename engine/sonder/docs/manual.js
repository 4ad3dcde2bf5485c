// What the book does beside mdBook: rules in colours, and terminals of which a click copies what is typed, without what is printed.

'use strict';

(() => {
  // The words of the language, as editors have them; a test holds this list against theirs.
  const words = {
    keyword:
      'segment trait journey funnel experiment experience predict and or not is if then else where as within for no per last next since ' +
      'this session set after again by enter exit from goal hours label on otherwise purpose send show split to until up variants ' +
      'wait was when',
    built_in: 'avg consented count did distinct first in max min recommend sequence sum top',
    literal: 'true false known unknown',
    variable: 'profile context any',
  };
  hljs.registerLanguage('sonder', (it) => ({
    keywords: words,
    contains: [
      it.HASH_COMMENT_MODE,
      it.QUOTE_STRING_MODE,
      { className: 'attr', begin: /[A-Za-z_]\w*(?=\s*:)/ },
      { begin: /\.\s*[A-Za-z_]\w*/, keywords: {} },
      { className: 'number', begin: /\b\d+(?:[.:-]\d+)*(?:ms|[smhdw%])?/ },
    ],
  }));
  for (const block of document.querySelectorAll('code.language-sonder')) hljs.highlightBlock(block);

  // A line that begins with a prompt is typed, and so is what it goes on with: after a backslash, or up to the word that ends a text.
  function lines(text) {
    let end = null;
    let goesOn = false;
    return text.replace(/\n$/, '').split('\n').map((line) => {
      const begins = end === null && !goesOn && line.startsWith('$ ');
      const isTyped = begins || goesOn || end !== null;
      if (begins) end = /<<'(\w+)'/.exec(line)?.[1] ?? null;
      else if (line === end) end = null;
      goesOn = isTyped && end === null && line.endsWith('\\');
      return { begins, isTyped, text: begins ? line.slice(2) : line };
    });
  }

  function span(kind, text) {
    const made = document.createElement('span');
    made.className = kind;
    made.textContent = text;
    return made;
  }

  for (const block of document.querySelectorAll('code.language-console')) {
    const parts = lines(block.textContent).flatMap((line) => [
      ...(line.begins ? [span('prompt', '$ ')] : []),
      span(line.isTyped ? 'typed' : 'printed', `${line.text}\n`),
    ]);
    block.replaceChildren(...parts);
    const frame = block.parentElement;
    frame.classList.add('terminal');
    // What is hidden is not copied: mdBook copies what is seen.
    frame.querySelector('.clip-button')?.addEventListener('click', () => {
      frame.classList.add('copied');
      setTimeout(() => frame.classList.remove('copied'));
    });
  }
})();
