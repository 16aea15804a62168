// What an order costs.
// All amounts are in cents.

export interface Line {
  sku: string;
  price: number;
  quantity: number;
}

export interface Voucher {
  code: string;
  off: number;
}

export interface Cart {
  lines: Line[];
  total: number;
  voucher?: Voucher;
}

export interface Session {
  user: string;
  // Not there until the first item was put into it.
  cart?: Cart;
}

export function lineTotal(line: Line): number {
  return line.price * line.quantity;
}

export function subtotal(lines: Line[]): number {
  return lines.reduce((sum, line) => sum + lineTotal(line), 0);
}

export function shipping(amount: number): number {
  return amount === 0 || amount >= 5000 ? 0 : 490;
}

export function grandTotal(session: Session): number {
  const cart = session.cart!;
  const total = cart.total;

  const off = cart.voucher ? cart.voucher.off : 0;
  return Math.max(0, total - off) + shipping(total);
}
