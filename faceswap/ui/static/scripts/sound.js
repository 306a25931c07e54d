/* A short sound, made here: no file is loaded. */

const TONES_HZ = [660, 880];
const TONE_S = 0.14;

export function chime() {
  const audio = new AudioContext();
  TONES_HZ.forEach((frequency, index) => {
    const tone = new OscillatorNode(audio, { frequency });
    const volume = new GainNode(audio, { gain: 0.12 });
    const start = audio.currentTime + index * TONE_S;
    volume.gain.setTargetAtTime(0, start, TONE_S / 2);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 3 * TONE_S);
    if (index === TONES_HZ.length - 1) tone.addEventListener("ended", () => audio.close());
  });
}
