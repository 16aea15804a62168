import { grandTotal, Session } from "./totals";

export function Summary({ session, pay }: { session: Session; pay: (amount: number) => void }) {
  const onPay = () => pay(grandTotal(session));
  return <button onClick={onPay}>Pay</button>;
}
