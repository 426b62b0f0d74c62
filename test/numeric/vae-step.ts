/** The VAE of Kingma & Welling 2014 with one hidden layer each way, loss and gradients, written with plain operations. */
import * as g from "../../src/runtime/graph/index.js";

export function vaeStep({ batch, data, hidden, latent }: { batch: number; data: number; hidden: number; latent: number }): g.Graph {
  return g.stage({ x: { shape: [batch, data] } }, ({ x }) => {
    const weights: g.Tensor[] = [];
    const dense = (name: string, h: g.Tensor, n: number, m: number): g.Tensor => {
      const [w, b] = [g.state(`${name}.kernel`, [n, m]), g.state(`${name}.bias`, [m])];
      weights.push(w, b);
      return g.add(g.matmul(h, w), b);
    };
    const key = g.rootKey();
    const B = g.rowsOf(x);
    const v = g.cast(g.less(g.randomUniform(key.at("x"), [B, data]), x), "f32");
    const h = g.relu(dense("enc", v, data, hidden));
    const [loc, logvar] = [dense("loc", h, hidden, latent), dense("logvar", h, hidden, latent)];
    const scale = g.exp(g.mul(0.5, logvar));
    const z = g.add(loc, g.mul(scale, g.randomNormal(key.at("z"), [B, latent])));
    const logits = dense("out", g.relu(dense("dec", z, latent, hidden)), hidden, data);
    const logPx = g.term("log p(x | z)", "vae.gm:12", g.sum(g.sub(g.mul(v, logits), g.softplus(logits)), -1));
    const kl = g.term(
      "KL(q(z | x), p(z))",
      "vae.gm:11",
      g.mul(0.5, g.sum(g.sub(g.sub(g.add(g.square(loc), g.square(scale)), 1), logvar), -1)),
    );
    const elbo = g.mean(g.sub(logPx, kl));
    const gradients = g.grad(g.neg(elbo), weights);
    return { elbo, ...Object.fromEntries(gradients.map((t, i) => [`grad:${i}`, t])) };
  });
}
