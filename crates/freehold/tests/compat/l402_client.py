"""A buyer in Python, with nothing of ours, whose wallet is the neighbour's."""

import os

import httpx
from l402_requests import L402Client
from l402_requests.wallets import WalletBase

NODE = os.environ["NODE_URL"]
paid = []


class Neighbour(WalletBase):
    async def pay_invoice(self, bolt11: str) -> str:
        return self.pay_invoice_sync(bolt11)

    def pay_invoice_sync(self, bolt11: str) -> str:
        answer = httpx.post(
            f"{NODE}/api/sandbox/pay",
            headers={"Authorization": f"Bearer {os.environ['OWNER_TOKEN']}"},
            json={"request": bolt11},
            timeout=60,
        )
        answer.raise_for_status()
        paid.append(bolt11)
        return answer.json()["preimage"]


client = L402Client(wallet=Neighbour(), timeout=60)
answer = client.get(f"{NODE}/api/echo")
assert answer.status_code == 200, answer.text
assert answer.json()["uri"] == "/api/echo"
assert len(paid) == 1
print("ok")
