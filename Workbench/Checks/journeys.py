"""What people do on the page, in a real browser: journeys.py ADDRESS [FOLDER for screenshots]. Exit status 1 where a journey fails."""

import json
import os
import sys
import time
import traceback

from browser import Browser

ADDRESS = sys.argv[1]
FOLDER = sys.argv[2] if len(sys.argv) > 2 else None
if FOLDER:
    os.makedirs(FOLDER, exist_ok=True)
SET = "document.getElementById('field-{}').{}"


def field(browser, key, value):
    """Types a value into a field, as its events would come."""
    name = "field-" + key.replace(".", "-")
    return browser.settled(
        f"(() => {{ const c = document.getElementById('{name}'); c.focus(); c.value = {json.dumps(value)};"
        " c.dispatchEvent(new Event(c.tagName === 'SELECT' ? 'change' : 'input', {bubbles: true})); c.blur(); })()")


def tile(browser, label):
    return browser.run(f"[...document.querySelectorAll('.tile')].find(t => t.querySelector('.label').textContent === '{label}')?.querySelector('.value').textContent")


def yaml(browser, text):
    return browser.settled(f"(() => {{ const y = document.getElementById('yaml'); y.value = {json.dumps(text)}; y.dispatchEvent(new Event('input', {{bubbles: true}})); }})()")


def click(browser, selector):
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def first_look(b):
    assert tile(b, "Step time") and tile(b, "MFU") and tile(b, "USD/M tokens") is None and tile(b, "Cost")
    assert b.run("document.querySelectorAll('#breakdown .fill').length") > 3
    assert b.run("document.querySelector('#timeline canvas').height") > 20


def preset(b):
    b.settled("(() => { const s = document.getElementById('presets'); s.value = 'deepseek-v3-2048-h800'; s.dispatchEvent(new Event('change')); })()")
    assert "deepseek" in b.run("document.getElementById('title').textContent")
    # The file gives its nodes.
    assert b.run("(c => c.value || c.placeholder)(document.getElementById('field-cluster-gpus'))") == "2048"


def sliding(b):
    took, seen = [], set()
    for power in range(5, 13):
        took.append(b.settled(f"(() => {{ const s = document.querySelector('input[type=range]'); s.value = {power}; s.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"))
        seen.add(tile(b, "Step time"))
    assert len(seen) >= 5, seen
    print("    answers after", took, "ms")


def wrong_field(b):
    field(b, "layout.tensor", "3")
    assert b.run("document.getElementById('field-layout-tensor').closest('.field').classList.contains('wrong')")
    assert b.run("document.querySelectorAll('#faults li').length") > 0
    field(b, "layout.tensor", "2")
    assert not b.run("document.querySelector('.field.wrong')")


def wrong_text(b):
    good = b.run("document.getElementById('yaml').value")
    yaml(b, good.replace("preset: llama3-8b", "presett: llama3-8b"))
    assert b.run("document.querySelectorAll('#gutter .bad').length") == 1
    click(b, "#faults button")
    assert b.run("document.activeElement.id") == "yaml"
    yaml(b, good)
    assert b.run("document.querySelectorAll('#gutter .bad').length") == 0 and b.run("document.getElementById('faults').hidden")


def undo(b):
    before = tile(b, "Step time")
    field(b, "training.global_batch", "512")
    assert tile(b, "Step time") != before
    b.settled("document.getElementById('undo').click()")
    assert tile(b, "Step time") == before
    b.settled("document.getElementById('redo').click()")
    assert tile(b, "Step time") != before


def pinning(b):
    click(b, "#pin")
    field(b, "cluster.gpu", "h200-sxm-141gb")
    text = b.run("document.getElementById('pins').textContent")
    assert "Tokens/s/GPU" in text and ("+" in text or "−" in text), text
    b.settled("document.querySelector('#pins button').click()")
    assert b.run("document.getElementById('field-cluster-gpu').value") == "h100-sxm-80gb"


def newcomer(b):
    """From the empty page to a shared link of the best layout for Llama 3 8B on 64 H100."""
    start = time.time()
    b.open(ADDRESS)
    slow = tile(b, "Step time")
    click(b, "#search-form button[type=submit]")
    b.until("document.querySelector('#found table') !== null", 60)
    b.settled("document.querySelector('#found .pick-layout').click()")
    b.run("document.getElementById('share').click()")
    b.until("location.hash.length > 50")
    link = b.run("location.href")
    print(f"    {time.time() - start:.1f} s; {slow} a step became {tile(b, 'Step time')}; link of {len(link)} characters")
    assert time.time() - start < 60
    best, text = tile(b, "Step time"), b.run("document.getElementById('yaml').value")
    other = Browser()
    try:
        other.open(link)
        assert tile(other, "Step time") == best and other.run("document.getElementById('yaml').value") == text
    finally:
        other.close()


def sweeping(b):
    click(b, "#sweep-form button[type=submit]")
    b.until("document.querySelector('table.heat') !== null", 60)
    assert b.run("document.querySelectorAll('table.heat td').length") == 12
    b.settled("document.querySelector('table.heat td button').click()")
    assert b.run("document.getElementById('field-cluster-gpus').value") == "64"


def explaining(b):
    click(b, "#explain")
    b.until("document.querySelector('#explained table') !== null")
    assert b.run("document.querySelectorAll('#explained tbody tr').length") > 2


def keyboard(b):
    b.open(ADDRESS)
    b.run("document.activeElement.blur()")
    reached = []
    for _ in range(60):
        b.key("Tab")
        reached.append(b.run("document.activeElement.id || document.activeElement.tagName"))
    for wanted in ["presets", "pin", "tab-form", "field-model-preset", "field-layout-tensor", "field-training-tokens"]:
        assert wanted in reached, (wanted, reached)
    b.run("document.getElementById('field-layout-tensor').focus()")
    before = b.run("Number(document.documentElement.dataset.views)")
    b.key("ArrowUp")
    b.until(f"Number(document.documentElement.dataset.views) > {before}")
    assert b.run("document.getElementById('yaml').value").find("tensor: 2") >= 0


def narrow(b):
    b.look(360, 780, False)
    b.open(ADDRESS)
    wide = b.run("[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 362 && !e.closest('.scroll') && !e.closest('textarea') && getComputedStyle(e).position !== 'absolute').map(e => e.tagName + '.' + e.className + '#' + e.id).slice(0, 5)")
    assert b.run("document.documentElement.scrollWidth") <= 360, wide
    b.look(1400, 1000, False)


# Text against what stands behind it (WCAG 2.2, 1.4.3: 4.5, or 3 where large), names of controls (4.1.2), order of headings, ids.
ACCESS = """(() => {
  const found = [], parse = c => c.match(/[\\d.]+/g).map(Number), lum = ([r, g, b]) => { const f = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = e => { for (let n = e; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor); if (c.length < 4 || c[3] > .99) return c; } return [255, 255, 255]; };
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || e.closest('svg') || e.matches(':disabled')) continue;
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own) continue;
    const style = getComputedStyle(e), a = lum(parse(style.color)), b = lum(behind(e)), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05), large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) found.push('contrast ' + ratio.toFixed(2) + ': ' + e.textContent.trim().slice(0, 40));
  }
  for (const e of document.querySelectorAll('input, select, textarea, button, a, canvas')) {
    if (!e.checkVisibility()) continue;
    const name = e.getAttribute('aria-label') || e.labels && [...e.labels].map(l => l.textContent).join('') || e.textContent;
    if (!name.trim()) found.push('no name: ' + e.outerHTML.slice(0, 80));
  }
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id), twice = ids.filter((id, i) => ids.indexOf(id) !== i);
  if (twice.length) found.push('ids twice: ' + twice);
  if (document.querySelectorAll('h1').length !== 1 || document.documentElement.lang !== 'en') found.push('one h1 and a language');
  for (const e of document.querySelectorAll('[aria-controls], [aria-labelledby]')) for (const at of ['aria-controls', 'aria-labelledby']) { const id = e.getAttribute(at); if (id && !document.getElementById(id)) found.push('no ' + id); }
  return found;
})()"""


def accessible(b):
    for dark in (False, True):
        b.look(1400, 1000, dark)
        b.open(ADDRESS)
        click(b, "#pin")
        click(b, "#sweep-form button[type=submit]")
        b.until("document.querySelector('table.heat') !== null", 60)
        found = b.run(ACCESS)
        assert not found, found
    b.look(1400, 1000, False)


def pictures(b):
    for name, width, dark in [("light-1400", 1400, False), ("dark-1400", 1400, True), ("light-360", 360, False), ("dark-360", 360, True)]:
        b.look(width, 1000 if width > 500 else 780, dark)
        b.open(ADDRESS)
        click(b, "#pin")
        field(b, "training.micro_batch", "2")
        click(b, "#search-form button[type=submit]")
        b.until("document.querySelector('#found table') !== null", 60)
        click(b, "#sweep-form button[type=submit]")
        b.until("document.querySelector('table.heat') !== null", 60)
        click(b, "#explain")
        b.until("document.querySelector('#explained table') !== null")
        b.screenshot(f"{FOLDER}/{name}.png")


JOURNEYS = [first_look, sliding, wrong_field, wrong_text, undo, pinning, newcomer, sweeping, explaining, preset, keyboard, narrow, accessible]
failed = 0
browser = Browser()
browser.open(ADDRESS)
for journey in JOURNEYS + ([pictures] if FOLDER else []):
    try:
        start = time.time()
        if journey not in (newcomer, keyboard, narrow, accessible, pictures):
            browser.open(ADDRESS)
        journey(browser)
        assert not browser.faults, browser.faults
        assert not browser.run("document.documentElement.dataset.error"), browser.run("document.documentElement.dataset.error")
        print(f"ok   {journey.__name__} ({time.time() - start:.1f} s)")
    except Exception as error:
        failed += 1
        browser.faults = []
        print(f"FAIL {journey.__name__}: {type(error).__name__}: {error}")
        if "-v" in sys.argv:
            traceback.print_exc()
browser.close()
print(f"{len(JOURNEYS) - failed} of {len(JOURNEYS)} journeys")
sys.exit(1 if failed else 0)
