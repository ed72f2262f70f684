// face-api (npm @vladmandic/face-api) on TensorFlow.js' WASM backend, one thread:
// tiny detector (its SSD finds fewer faces of LFW and takes four times as long), 68 points, dlib's ResNet.
// Speaks the protocol of protocol.py; node_modules is found through NODE_PATH.
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const frames = process.argv[2];
const say = (message) => fs.writeSync(1, `${JSON.stringify(message)}\n`);
console.log = console.error; // the answers alone go to standard output

async function start() {
  const tf = require('@tensorflow/tfjs');
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  const root = path.dirname(require.resolve('@vladmandic/face-api/package.json'));
  const faceapi = require(path.join(root, 'dist/face-api.node-wasm.js'));
  wasm.setWasmPaths(`${path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`);
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  const model = path.join(root, 'model');
  for (const net of ['tinyFaceDetector', 'faceLandmark68Net', 'faceRecognitionNet']) await faceapi.nets[net].loadFromDisk(model);
  const versions = { 'face-api': faceapi.version.faceapi || faceapi.version, tfjs: tf.version_core };
  return { tf, faceapi, versions };
}

// The same rule as nearest.py.
function nearest(faces, width, height) {
  const distance = ({ detection: { box } }) => (box.x + box.width / 2 - width / 2) ** 2 + (box.y + box.height / 2 - height / 2) ** 2;
  return faces.reduce((best, face) => (best && distance(best) <= distance(face) ? best : face), null);
}

// The largest input that its documentation names and that is no larger than the picture: enlarging finds fewer faces.
function options(faceapi, longest) {
  return new faceapi.TinyFaceDetectorOptions({ inputSize: [416, 320, 224].find((size) => size <= longest) || 160 });
}

async function embed({ tf, faceapi }, pixels, height, width) {
  const tensor = tf.tensor3d(pixels, [height, width, 3], 'int32');
  const faces = await faceapi.detectAllFaces(tensor, options(faceapi, Math.max(height, width))).withFaceLandmarks();
  const face = nearest(faces, width, height);
  let descriptor = null;
  if (face) {
    const [chip] = await faceapi.extractFaceTensors(tensor, [face.alignedRect]);
    descriptor = await faceapi.computeFaceDescriptor(chip);
    chip.dispose();
  }
  tensor.dispose();
  return descriptor && Array.from(descriptor);
}

async function answer(peer, { count, height, width }) {
  const size = height * width * 3;
  const bytes = fs.readFileSync(frames);
  const ms = [];
  const cpuMs = [];
  const embeddings = [];
  for (let number = 0; number < count; number += 1) {
    const pixels = new Uint8Array(bytes.subarray(number * size, (number + 1) * size));
    const begin = performance.now();
    const before = process.cpuUsage();
    embeddings.push(await embed(peer, pixels, height, width));
    const { user, system } = process.cpuUsage(before);
    cpuMs.push((user + system) / 1000);
    ms.push(performance.now() - begin);
  }
  return { ms, cpu_ms: cpuMs, embeddings };
}

async function main() {
  let peer;
  try {
    peer = await start();
  } catch (error) {
    say({ error: `${error.name}: ${error.message}`.split('\n')[0] });
    process.exitCode = 1;
    return;
  }
  say({ name: 'face_api', versions: peer.versions, measure: 'distance' });
  for await (const line of readline.createInterface({ input: process.stdin })) say(await answer(peer, JSON.parse(line)));
}

main();
